{{- define "sms-verification.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* Leaves room for the longest suffix, -dashboard. */}}
{{- define "sms-verification.fullname" -}}
{{- $name := include "sms-verification.name" . }}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- .Values.fullnameOverride | default $full | trunc 53 | trimSuffix "-" }}
{{- end }}

{{- define "sms-verification.releaseLabels" -}}
app.kubernetes.io/name: {{ include "sms-verification.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* The component distinguishes the service's pods from the pod of helm test. */}}
{{- define "sms-verification.selectorLabels" -}}
{{ include "sms-verification.releaseLabels" . }}
app.kubernetes.io/component: server
{{- end }}

{{- define "sms-verification.labels" -}}
{{ include "sms-verification.releaseLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end }}

{{- define "sms-verification.image" -}}
{{- $image := .Values.image }}
{{- $tag := include "sms-verification.setting" $image.tag }}
{{- if eq $tag "latest" }}
{{- fail "image.tag: latest is not a version, and pods of one release could differ; write a tag that never moves" }}
{{- end }}
{{- required "image.repository is required: set it to where you pushed the image, such as registry.example.com/sms-verification" $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* Non-empty in debug mode, in which Redis and Flowroute are inside the process. */}}
{{- define "sms-verification.debug" -}}
{{- if .Values.config.DEBUG_MODE }}
{{- if or .Values.autoscaling.enabled (ne (int .Values.replicaCount) 1) }}
{{- fail "config.DEBUG_MODE: each pod would have its own Redis and not know the codes of the others; set replicaCount to 1 and autoscaling.enabled to false" }}
{{- end }}true
{{- end }}
{{- end }}

{{- /* Names of the secrets of the service, one per line. */}}
{{- define "sms-verification.secretKeys" -}}
{{- $secrets := .Values.secrets }}
{{- if include "sms-verification.debug" . }}
{{- else if and $secrets.existing $secrets.values }}
{{- fail "secrets.existing and secrets.values are both set; keep one of the two" }}
{{- else if $secrets.existing }}
{{- if and ($secrets.redisPassword).secret (has "REDIS_PASSWORD" $secrets.existingKeys) }}
{{- fail "secrets.redisPassword.secret and REDIS_PASSWORD in secrets.existingKeys are both set; keep one of the two" }}
{{- end }}
{{- join "\n" $secrets.existingKeys }}
{{- else }}
{{- $hint := "or name a Secret that has it in secrets.existing" }}
{{- $_ := required (printf "secrets.values.FLOWROUTE_ACCESS_KEY is required: set it to the access key of your Flowroute account, %s; config.DEBUG_MODE=true tries the service without an account" $hint) $secrets.values.FLOWROUTE_ACCESS_KEY }}
{{- $_ := required (printf "secrets.values.FLOWROUTE_SECRET_KEY is required: set it to the secret key of your Flowroute account, %s" $hint) $secrets.values.FLOWROUTE_SECRET_KEY }}
{{- $_ := required (printf "secrets.values.REDIS_URL is required: set it to the address of Redis, such as redis://:password@redis:6379/0, %s" $hint) $secrets.values.REDIS_URL }}
{{- if and ($secrets.redisPassword).secret $secrets.values.REDIS_PASSWORD }}
{{- fail "secrets.redisPassword.secret and secrets.values.REDIS_PASSWORD are both set; keep one of the two" }}
{{- end }}
{{- keys $secrets.values | sortAlpha | join "\n" }}
{{- end }}
{{- end }}

{{- define "sms-verification.secretName" -}}
{{- .Values.secrets.existing | default (include "sms-verification.fullname" .) }}
{{- end }}

{{- /* A setting as text for the environment. YAML numbers arrive as floats, which print as 9e+09. */}}
{{- define "sms-verification.setting" -}}
{{- if kindIs "invalid" . }}
{{- else if kindIs "slice" . }}{{ join "," . }}
{{- else if kindIs "map" . }}{{ toRawJson . }}
{{- else if kindIs "float64" . }}{{ printf "%.0f" . }}
{{- else }}{{ toString . }}
{{- end }}
{{- end }}

{{- /* Seconds in a duration such as 1m30s, rounded up. */}}
{{- define "sms-verification.seconds" -}}
{{- $units := dict "h" 3600.0 "m" 60.0 "s" 1.0 "ms" 1e-3 "us" 1e-6 "µs" 1e-6 "ns" 1e-9 }}
{{- $sum := 0.0 }}
{{- range regexFindAll "[0-9.]+[a-zµ]+" . -1 }}
{{- $unit := regexFind "[a-zµ]+" . }}
{{- $sum = addf $sum (mulf (trimSuffix $unit . | float64) (get $units $unit)) }}
{{- end }}
{{- ceil $sum | int }}
{{- end }}

{{- /* 90 % of a memory quantity such as 256Mi, in bytes; the rest is for memory that Go does not count. */}}
{{- define "sms-verification.memoryLimit" -}}
{{- $units := dict "m" 1e-3 "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 }}
{{- $quantity := include "sms-verification.setting" . }}
{{- $number := regexFind "^[0-9.]+([eE][0-9]+)?" $quantity }}
{{- mulf 0.9 ($number | float64) (get $units (trimPrefix $number $quantity) | default 0.0) | printf "%.0f" }}
{{- end }}

{{- /* Shared by the pods of the service and of helm test. */}}
{{- define "sms-verification.podSecurity" -}}
runAsNonRoot: true
{{- /* --reuse-values keeps the values of an earlier chart, which lack this key. */}}
{{- $users := dict "runAsUser" 65532 "runAsGroup" 65532 "fsGroup" 65532 }}
{{- if hasKey .Values "podSecurityContext" }}{{ $users = .Values.podSecurityContext }}{{ end }}
{{- range $name, $id := $users }}
{{- if not (kindIs "invalid" $id) }}
{{ $name }}: {{ int64 $id }}
{{- end }}
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* Keys in redisTLS.secret by setting, as JSON. The values of an earlier chart lack them. */}}
{{- define "sms-verification.redisTLS" -}}
{{- $files := dict }}
{{- with .Values.redisTLS }}
{{- if .secret }}
{{- range $setting, $key := dict "REDIS_TLS_CA" (list "ca" "ca.crt") "REDIS_TLS_CERT" (list "cert" "tls.crt") "REDIS_TLS_KEY" (list "key" "tls.key") }}
{{- $name := dig (first $key) (last $key) $.Values.redisTLS }}
{{- if $name }}{{- $_ := set $files $setting $name }}{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $files }}
{{- end }}

{{- define "sms-verification.container" -}}
image: {{ include "sms-verification.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources: {{- toYaml .Values.resources | nindent 2 }}
envFrom:
  - configMapRef: {name: {{ include "sms-verification.fullname" . }}}
env:
  {{- range include "sms-verification.secretKeys" . | splitList "\n" | compact }}
  - {name: {{ . }}_FILE, value: /run/secrets/sms-verification/{{ . }}}
  {{- end }}
  {{- with (.Values.secrets).redisPassword }}
  {{- if .secret }}
  - {name: REDIS_PASSWORD, valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}}}
  {{- end }}
  {{- end }}
  {{- $extra := list }}
  {{- range .Values.extraEnv }}{{ $extra = append $extra .name }}{{ end }}
  {{- $memory := ((.Values.resources).limits).memory }}
  {{- if and $memory (not (has "GOMEMLIMIT" $extra)) }}
  - {name: GOMEMLIMIT, value: {{ include "sms-verification.memoryLimit" $memory | quote }}}
  {{- end }}
  {{- if .Values.caConfigMap }}
  # Go reads the system's certificates in addition.
  - {name: SSL_CERT_DIR, value: /run/ca}
  {{- end }}
  {{- range $setting, $key := include "sms-verification.redisTLS" . | fromJson }}
  - {name: {{ $setting }}, value: /run/secrets/redis-tls/{{ $key }}}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumeMounts:
  {{- if include "sms-verification.secretKeys" . }}
  - {name: secrets, mountPath: /run/secrets/sms-verification, readOnly: true}
  {{- end }}
  {{- if .Values.caConfigMap }}
  - {name: ca, mountPath: /run/ca, readOnly: true}
  {{- end }}
  {{- if include "sms-verification.redisTLS" . | fromJson }}
  - {name: redis-tls, mountPath: /run/secrets/redis-tls, readOnly: true}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "sms-verification.volumes" -}}
{{- with include "sms-verification.secretKeys" . }}
- name: secrets
  secret:
    secretName: {{ include "sms-verification.secretName" $ }}
    defaultMode: 0440
    items:
      {{- range splitList "\n" . }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- end }}
{{- with .Values.caConfigMap }}
- name: ca
  configMap: {name: {{ . }}}
{{- end }}
{{- with include "sms-verification.redisTLS" . | fromJson }}
- name: redis-tls
  secret:
    secretName: {{ $.Values.redisTLS.secret }}
    defaultMode: 0440
    items:
      {{- range . }}
      - {key: {{ . | quote }}, path: {{ . | quote }}}
      {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
