{{- define "odradek.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "odradek.labels" -}}
app.kubernetes.io/name: odradek
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "odradek.selector" -}}
app.kubernetes.io/name: odradek
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "odradek.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "odradek.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1001
runAsGroup: 1001
fsGroup: 1001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "odradek.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Kafka's names as the variables that a broker reads: log.dirs is ODRADEK_LOG_DIRS. */}}
{{- define "odradek.settings" -}}
{{- range $name, $value := .Values.settings }}
- name: ODRADEK_{{ $name | replace "." "_" | upper }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end -}}

{{- define "odradek.protocol" -}}
{{- if .Values.security.secret }}SASL_SSL
{{- else if .Values.security.allowUnsecured }}PLAINTEXT
{{- else }}{{ fail "name the Secret that has what `odradek cert create` has written (security.secret), or say that whoever reaches the pods may do everything (security.allowUnsecured=true)" }}
{{- end }}
{{- end -}}

{{/* Environment and files by which one is secured, or says that it is not. */}}
{{- define "odradek.securityEnv" -}}
{{- if .Values.security.secret }}
- {name: ODRADEK_PROFILE, value: /security/client.toml}
{{- else }}
- {name: ODRADEK_ALLOW_UNSECURED_LISTENERS, value: "true"}
{{- end }}
{{- end -}}

{{- define "odradek.securityMount" -}}
{{- if .Values.security.secret }}
- {name: security, mountPath: /security, readOnly: true}
{{- end }}
{{- end -}}

{{- define "odradek.securityVolume" -}}
{{- with .Values.security.secret }}
- name: security
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end -}}

{{- define "odradek.args" -}}
{{- if .Values.security.secret }}
args: [broker, --config, /security/brokers.properties]
{{- end }}
{{- end -}}

{{- define "odradek.volumeClaim" -}}
- metadata:
    name: data
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .className }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ .size }}
{{- end -}}
