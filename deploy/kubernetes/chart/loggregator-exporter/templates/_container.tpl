{{/* The exporter's container, without a name: the same in the StatefulSet and beside somebody else's. */}}
{{- define "loggregator-exporter.container" -}}
image: {{ include "loggregator-exporter.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [run]
env:
  - {name: LOGGREGATOR_EXPORTER_CONFIG, value: /etc/loggregator_exporter/config/exporter.yml}
  {{- if .Values.uaa.secretName }}
  - name: LOGGREGATOR_EXPORTER_UAA_CLIENT_ID
    valueFrom:
      secretKeyRef: {name: {{ .Values.uaa.secretName }}, key: {{ .Values.uaa.keys.clientID }}}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - {name: {{ include "loggregator-exporter.portName" . }}, containerPort: {{ include "loggregator-exporter.port" . }}, protocol: TCP}
  {{- if eq .Values.mode "nozzle" }}
  {{- range $name, $port := include "loggregator-exporter.receivers" . | fromYaml }}
  - {name: {{ $name }}, containerPort: {{ $port }}, protocol: TCP}
  {{- end }}
  {{- end }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  - {name: loggregator-exporter-config, mountPath: /etc/loggregator_exporter/config, readOnly: true}
  {{- if .Values.rules }}
  - {name: loggregator-exporter-rules, mountPath: /etc/loggregator_exporter/rules, readOnly: true}
  {{- end }}
  {{- range $source := list "rlp" "syslog" "otlp" }}
  {{- if (index $.Values $source).secretName }}
  - {name: loggregator-exporter-{{ $source }}, mountPath: /etc/loggregator_exporter/{{ $source }}, readOnly: true}
  {{- end }}
  {{- end }}
  {{- if .Values.uaa.secretName }}
  - {name: loggregator-exporter-uaa, mountPath: /etc/loggregator_exporter/uaa, readOnly: true}
  {{- end }}
  {{- if .Values.web.secretName }}
  - {name: loggregator-exporter-web, mountPath: /etc/loggregator_exporter/web, readOnly: true}
  {{- end }}
  {{- if .Values.web.basicAuth.secretName }}
  - {name: loggregator-exporter-auth, mountPath: /etc/loggregator_exporter/auth, readOnly: true}
  {{- end }}
  {{- range .Values.secrets }}
  - {name: {{ printf "loggregator-exporter-s-%s" .name }}, mountPath: {{ printf "/etc/loggregator_exporter/secrets/%s" .name }}, readOnly: true}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The command of a probe: pass (list . "--ready") or (list . ""). Probes get no variables put in, so the user name is spelt out. */}}
{{- define "loggregator-exporter.healthcheck" -}}
{{- $root := index . 0 -}}
{{- $command := list "/exporter" "healthcheck" "--timeout=5s" -}}
{{- with index . 1 -}}{{- $command = append $command . -}}{{- end -}}
{{- with $root.Values.web.basicAuth.username -}}
{{- $command = concat $command (list (printf "--username=%s" .) "--password-file=/etc/loggregator_exporter/auth/password") -}}
{{- end -}}
{{- toJson $command -}}
{{- end -}}

{{/* The volumes that the container mounts. Beside somebody else's container the file mode lets the exporter's user read, since no fsGroup does. */}}
{{- define "loggregator-exporter.volumes" -}}
{{- $mode := ternary "0444" "0440" (eq .Values.mode "sidecar") -}}
{{- $name := include "loggregator-exporter.fullname" . -}}
- name: loggregator-exporter-config
  configMap: {name: {{ $name }}}
{{- if .Values.rules }}
- name: loggregator-exporter-rules
  configMap: {name: {{ $name }}-rules}
{{- end }}
{{- range $source := list "rlp" "syslog" "otlp" }}
{{- with index $.Values $source }}
{{- if .secretName }}
- name: loggregator-exporter-{{ $source }}
  secret:
    secretName: {{ .secretName }}
    defaultMode: {{ $mode }}
    items:
      - {key: {{ .keys.ca }}, path: ca.crt}
      - {key: {{ .keys.cert }}, path: tls.crt}
      - {key: {{ .keys.key }}, path: tls.key}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.uaa }}
{{- if .secretName }}
- name: loggregator-exporter-uaa
  secret:
    secretName: {{ .secretName }}
    defaultMode: {{ $mode }}
    items:
      - {key: {{ .keys.clientSecret }}, path: client_secret}
{{- end }}
{{- end }}
{{- with .Values.web.secretName }}
- name: loggregator-exporter-web
  secret: {secretName: {{ . }}, defaultMode: {{ $mode }}}
{{- end }}
{{- with .Values.web.basicAuth.secretName }}
- name: loggregator-exporter-auth
  secret:
    secretName: {{ . }}
    defaultMode: {{ $mode }}
    items:
      - {key: password, path: password}
{{- end }}
{{- range .Values.secrets }}
- name: {{ printf "loggregator-exporter-s-%s" .name }}
  secret: {secretName: {{ .secretName }}, defaultMode: {{ $mode }}}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
