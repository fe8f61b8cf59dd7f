// Package kubernetes holds the tests of deploy/kubernetes: the chart and the manifests rendered from it are held
// against the schemas and types of Kubernetes and of the Prometheus Operator, and what they tell a kubelet to run is
// run, in a root directory and with a host name of its own as a container has them.
package kubernetes
