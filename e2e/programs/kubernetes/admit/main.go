// Command admit does what an API server does with manifests before it takes them, without one: it decodes them
// strictly into the types of Kubernetes and of the Prometheus Operator, and holds every pod against the Pod Security
// Standard "restricted".
//
// It reads manifests from standard input and writes them, decoded, to standard output. With -patch it merges a
// strategic patch into each Deployment first, as kubectl patch does.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	k8syaml "sigs.k8s.io/yaml"
)

func main() {
	patch := flag.String("patch", "", "file with a strategic merge patch for each Deployment")
	flag.Parse()
	if err := admit(os.Stdin, os.Stdout, *patch); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// admit returns the mistakes of all manifests together.
func admit(r io.Reader, w io.Writer, patchFile string) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme, monitoringv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	codec := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	security, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return err
	}
	var patch []byte
	if patchFile != "" {
		if patch, err = os.ReadFile(patchFile); err != nil {
			return err
		}
	}
	var mistakes []error
	for documents := yaml.NewYAMLReader(bufio.NewReader(r)); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return errors.Join(mistakes...)
		}
		if err != nil {
			return err
		}
		object, kind, err := codec.Decode(document, nil, nil)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("%w in\n%.300s", err, document))
			continue
		}
		if d, ok := object.(*appsv1.Deployment); ok && patch != nil {
			if object, err = merge(d, patch, codec); err != nil {
				return err
			}
		}
		meta, pod := podOf(object)
		if pod != nil {
			if err := restricted(security, meta, pod); err != nil {
				mistakes = append(mistakes, fmt.Errorf("%s: %w", kind.Kind, err))
			}
		}
		if _, err := fmt.Fprintln(w, "---"); err != nil {
			return err
		}
		if err := codec.Encode(object, w); err != nil {
			return err
		}
	}
}

func merge(d *appsv1.Deployment, patch []byte, codec runtime.Serializer) (runtime.Object, error) {
	original, err := k8syaml.Marshal(d)
	if err != nil {
		return nil, err
	}
	if original, err = k8syaml.YAMLToJSON(original); err != nil {
		return nil, err
	}
	if patch, err = k8syaml.YAMLToJSONStrict(patch); err != nil {
		return nil, fmt.Errorf("the patch: %w", err)
	}
	merged, err := strategicpatch.StrategicMergePatch(original, patch, appsv1.Deployment{})
	if err != nil {
		return nil, fmt.Errorf("the patch: %w", err)
	}
	object, _, err := codec.Decode(merged, nil, nil)
	return object, err
}

// podOf returns the pod that an object is or makes, or nil.
func podOf(object runtime.Object) (*metav1.ObjectMeta, *corev1.PodSpec) {
	switch o := object.(type) {
	case *corev1.Pod:
		return &o.ObjectMeta, &o.Spec
	case *appsv1.StatefulSet:
		return &o.Spec.Template.ObjectMeta, &o.Spec.Template.Spec
	case *appsv1.Deployment:
		return &o.Spec.Template.ObjectMeta, &o.Spec.Template.Spec
	default:
		return nil, nil
	}
}

func restricted(e policy.Evaluator, meta *metav1.ObjectMeta, pod *corev1.PodSpec) error {
	standard := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(e.EvaluatePod(standard, meta, pod))
	if !result.Allowed {
		return fmt.Errorf("not restricted: %s: %s", result.ForbiddenReason(), result.ForbiddenDetail())
	}
	return nil
}
