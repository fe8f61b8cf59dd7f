{{- define "loggregator-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 52 characters: the name of a StatefulSet, an ordinal and a hash must fit into a label. */}}
{{- define "loggregator-exporter.fullname" -}}
{{- $name := include "loggregator-exporter.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "loggregator-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "loggregator-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "loggregator-exporter.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "loggregator-exporter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: {{ .Values.mode }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "loggregator-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "loggregator-exporter.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "loggregator-exporter.image" -}}
{{- $image := .Values.image -}}
{{- $repository := required "image.repository is needed: build the image with deploy/container, push it, and name it here" $image.repository -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Whether a source is switched on: pass (list . "rlp"). */}}
{{- define "loggregator-exporter.source" -}}
{{- $root := index . 0 -}}
{{- if dig "nozzle" (index . 1) "enabled" false $root.Values.config -}}true{{- end -}}
{{- end -}}

{{/* The configuration file: what the values imply, under what `config` says. */}}
{{- define "loggregator-exporter.config" -}}
{{- $etc := "/etc/loggregator_exporter" -}}
{{- $implied := dict "metrics" (dict "max_series" (ternary 50000 1000000 (eq .Values.mode "sidecar"))) -}}
{{- $nozzle := dict -}}
{{- range $source := list "rlp" "syslog" "otlp" -}}
{{- if and (index $.Values $source).secretName (include "loggregator-exporter.source" (list $ $source)) -}}
{{- $dir := printf "%s/%s" $etc $source -}}
{{- $files := dict "ca_file" (printf "%s/ca.crt" $dir) "cert_file" (printf "%s/tls.crt" $dir) "key_file" (printf "%s/tls.key" $dir) -}}
{{- $_ := set $nozzle $source (dict "tls" $files) -}}
{{- end -}}
{{- end -}}
{{- if $nozzle -}}{{- $_ := set $implied "nozzle" $nozzle -}}{{- end -}}
{{- if .Values.uaa.secretName -}}
{{- $_ := set $implied "uaa" (dict "client_secret_file" (printf "%s/uaa/client_secret" $etc)) -}}
{{- end -}}
{{- if .Values.web.secretName -}}
{{- $_ := set $implied "web" (dict "config_file" (printf "%s/web/web.yml" $etc) "probe_without_auth" true) -}}
{{- end -}}
{{- if eq .Values.mode "sidecar" -}}
{{- $web := default dict $implied.web -}}
{{- $_ := set $web "listen_address" (printf ":%d" (int .Values.sidecar.port)) -}}
{{- $_ := set $implied "web" $web -}}
{{- end -}}
{{- $config := mustMergeOverwrite $implied (deepCopy .Values.config) -}}
{{- if .Values.rules -}}
{{- $files := default list (dig "tagger" "rules_files" list .Values.config) -}}
{{- range $name := keys .Values.rules | sortAlpha -}}
{{- $files = append $files (printf "%s/rules/%s" $etc $name) -}}
{{- end -}}
{{- $_ := set $config "tagger" (mustMergeOverwrite (default dict $config.tagger) (dict "rules_files" $files)) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The port of the web server. */}}
{{- define "loggregator-exporter.port" -}}
{{- if eq .Values.mode "sidecar" -}}
{{- .Values.sidecar.port -}}
{{- else -}}
{{- dig "web" "listen_address" ":9286" .Values.config | regexFind "[0-9]+$" -}}
{{- end -}}
{{- end -}}

{{/* The ports that agents and collectors send to, by name. */}}
{{- define "loggregator-exporter.receivers" -}}
{{- $nozzle := default dict .Values.config.nozzle -}}
{{- if include "loggregator-exporter.source" (list . "syslog") }}
syslog: {{ dig "syslog" "listen_address" ":6067" $nozzle | regexFind "[0-9]+$" }}
{{- end }}
{{- if include "loggregator-exporter.source" (list . "otlp") }}
otlp-grpc: {{ dig "otlp" "listen_address" ":4317" $nozzle | regexFind "[0-9]+$" }}
{{- with dig "otlp" "http_listen_address" "" $nozzle }}
otlp-http: {{ regexFind "[0-9]+$" . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "loggregator-exporter.portName" -}}
{{- if eq .Values.mode "sidecar" }}{{ .Values.sidecar.portName }}{{ else }}metrics{{ end -}}
{{- end -}}

{{/* Names of headers and parameters whose values are secrets. */}}
{{- define "loggregator-exporter.secretName" -}}
{{- if regexMatch "(?i)auth|cookie|credential|key|passw|secret|signature|token" . -}}true{{- end -}}
{{- end -}}

{{/* Secrets of remote write do not belong into a ConfigMap either. Names of tenants and the like do. */}}
{{- define "loggregator-exporter.validateRemoteWrite" -}}
{{- $write := default dict .Values.config.remote_write -}}
{{- $advice := "put it into a Secret, name that in secrets, and set" -}}
{{- range $key, $url := dict "url" (dig "url" "" $write) "oauth2.token_url" (dig "oauth2" "token_url" "" $write) -}}
{{- $parts := urlParse $url -}}
{{- if contains ":" $parts.userinfo -}}
{{- fail (printf "the password in config.remote_write.%s would be readable in a ConfigMap: %s config.remote_write.%s" $key $advice (ternary "url_file, or basic_auth" "oauth2.client_secret_file" (eq $key "url"))) -}}
{{- end -}}
{{- range $parameter := splitList "&" $parts.query -}}
{{- $name := splitList "=" $parameter | first -}}
{{- if include "loggregator-exporter.secretName" $name -}}
{{- fail (printf "%s in config.remote_write.%s would be readable in a ConfigMap: %s config.remote_write.%s" $name $key $advice (ternary "url_file" "oauth2.endpoint_params with value_file" (eq $key "url"))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $key, $list := dict "headers" (dig "headers" list $write) "oauth2.endpoint_params" (dig "oauth2" "endpoint_params" list $write) -}}
{{- range $list -}}
{{- if and .value (include "loggregator-exporter.secretName" .name) -}}
{{- fail (printf "the value of %s in config.remote_write.%s would be readable in a ConfigMap: %s its value_file in place of value" .name $key $advice) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if and .value (hasPrefix "LOGGREGATOR_EXPORTER_" .name) (hasSuffix "_CLIENT_SECRET" .name) -}}
{{- fail (printf "%s in extraEnv would be readable in the description of every pod: take it from a Secret, by valueFrom or uaa.secretName" .name) -}}
{{- end -}}
{{- end -}}
{{- if and $write.enabled $write.url_file (eq .Values.mode "nozzle") .Values.networkPolicy.enabled (not .Values.networkPolicy.extraEgress) -}}
{{- fail "the NetworkPolicy cannot see the port in config.remote_write.url_file: allow it in networkPolicy.extraEgress" -}}
{{- end -}}
{{- end -}}

{{/* What would start and not work is refused here, where it is read. */}}
{{- define "loggregator-exporter.validate" -}}
{{- $nozzle := default dict .Values.config.nozzle -}}
{{- $on := list -}}
{{- range $source := list "rlp" "gateway" "firehose" "syslog" "otlp" "udp" "ingress" "replay" -}}
{{- if dig $source "enabled" false $nozzle -}}{{- $on = append $on $source -}}{{- end -}}
{{- end -}}
{{- if and (eq .Values.mode "nozzle") (eq (len (without $on "udp" "ingress")) 0) -}}
{{- fail "mode nozzle needs a source: set config.nozzle.rlp.enabled to true, or that of gateway, firehose, syslog or otlp" -}}
{{- end -}}
{{- if and (has "rlp" $on) (not .Values.rlp.secretName) (not (dig "rlp" "tls" "cert_file" "" $nozzle)) -}}
{{- fail "config.nozzle.rlp needs a client certificate: name its Secret in rlp.secretName" -}}
{{- end -}}
{{- range $source := without $on "rlp" "gateway" "firehose" "udp" "ingress" "replay" -}}
{{- if and (eq $.Values.mode "nozzle") (not (index $.Values $source).secretName) (not (dig $source "tls" "cert_file" "" $nozzle)) -}}
{{- fail (printf "config.nozzle.%s needs a certificate: name its Secret in %s.secretName" $source $source) -}}
{{- end -}}
{{- end -}}
{{- if and (or (has "gateway" $on) (has "firehose" $on)) (not .Values.uaa.secretName) (not (dig "uaa" "client_id" "" .Values.config)) -}}
{{- fail "config.nozzle.gateway and config.nozzle.firehose need a UAA client: name its Secret in uaa.secretName" -}}
{{- end -}}
{{- if dig "uaa" "client_secret" "" .Values.config -}}
{{- fail "config.uaa.client_secret would be readable in a ConfigMap: put it into a Secret, and name that in uaa.secretName" -}}
{{- end -}}
{{- include "loggregator-exporter.validateRemoteWrite" . -}}
{{- if and (gt (int .Values.replicas) 1) (dig "deterministic_name" "" $nozzle) -}}
{{- fail "config.nozzle.deterministic_name would be the name of every shard: leave it out, the pods' ordinals are their names" -}}
{{- end -}}
{{- if and (not .Values.web.secretName) (or .Values.web.tls .Values.web.basicAuth.secretName) -}}
{{- fail "web.tls and web.basicAuth describe web.yml: name the Secret that holds it in web.secretName" -}}
{{- end -}}
{{- if ne (empty .Values.web.basicAuth.secretName) (empty .Values.web.basicAuth.username) -}}
{{- fail "web.basicAuth.secretName and web.basicAuth.username belong together: give both or none" -}}
{{- end -}}
{{- $job := include "loggregator-exporter.fullname" . -}}
{{- range .Values.serviceMonitor.relabelings -}}
{{- if eq (default "" .targetLabel) "job" -}}{{- $job = default "" .replacement -}}{{- end -}}
{{- end -}}
{{- if and .Values.prometheusRule.enabled .Values.serviceMonitor.enabled (not (regexMatch "loggregator[-_]exporter" $job)) -}}
{{- fail (printf "alerts look for a job whose name contains loggregator-exporter or loggregator_exporter, not %s: choose another fullnameOverride, or set the label job in serviceMonitor.relabelings" $job) -}}
{{- end -}}
{{- if and (eq .Values.mode "sidecar") (dig "web" "listen_address" "" .Values.config) -}}
{{- fail "in mode sidecar the port is sidecar.port, not config.web.listen_address" -}}
{{- end -}}
{{- end -}}
