{{/*
The exporter for the pods of others. A chart that has this one as a dependency (mode: sidecar) includes them with its scope:
  labels of the pod: {{- include "loggregator-exporter.sidecar.labels" (index .Subcharts "loggregator-exporter") | nindent 8 }}
  initContainers of the pod: {{- include "loggregator-exporter.sidecar.container" (index .Subcharts "loggregator-exporter") | nindent 8 }}
  volumes of the pod: {{- include "loggregator-exporter.volumes" (index .Subcharts "loggregator-exporter") | nindent 8 }}
*/}}
{{- define "loggregator-exporter.sidecar.labels" -}}
{{- toYaml .Values.sidecar.podLabels -}}
{{- end -}}

{{/*
A sidecar in Kubernetes' own sense: it starts before the pod's containers, so that no datagram is lost, and ends after them. It has no
readiness probe, since its trouble must not take the pod out of service, and no startup probe, on which the pod would wait.
*/}}
{{- define "loggregator-exporter.sidecar.container" -}}
- name: loggregator-exporter
  restartPolicy: Always
  {{- include "loggregator-exporter.container" . | nindent 2 }}
  livenessProbe:
    exec:
      command: {{ include "loggregator-exporter.healthcheck" (list . "") }}
    initialDelaySeconds: 10
    {{- toYaml .Values.probes.liveness | nindent 4 }}
  resources:
    {{- toYaml .Values.sidecar.resources | nindent 4 }}
{{- end -}}

{{/* A strategic merge patch that brings it into a Deployment, StatefulSet or DaemonSet. */}}
{{- define "loggregator-exporter.sidecar.patch" -}}
spec:
  template:
    metadata:
      labels:
        {{- include "loggregator-exporter.sidecar.labels" . | nindent 8 }}
      annotations:
        loggregator-exporter/config: {{ include "loggregator-exporter.config" . | sha256sum | trunc 16 | quote }}
    spec:
      initContainers:
        {{- include "loggregator-exporter.sidecar.container" . | nindent 8 }}
      volumes:
        {{- include "loggregator-exporter.volumes" . | nindent 8 }}
{{- end -}}
