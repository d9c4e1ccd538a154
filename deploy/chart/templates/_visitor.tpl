{{/*
The visitor: the pod that looks at the pages where users chat, in a browser. A page is somebody else's program, so this
pod has nothing that a page could want: no token, no key, no account with rights, and a root that is read-only.
*/}}

{{/* Whether there is a page to look at: "true" or nothing. Takes $. */}}
{{- define "sentinel.visits" -}}
{{- $paged := false -}}
{{- range (default (dict) .Values.config).gateways }}{{ if .page }}{{ $paged = true }}{{ end }}{{ end -}}
{{- if $paged }}true{{ end -}}
{{- end }}

{{/* Where pictures of breaches can be kept. Takes nothing. */}}
{{- define "sentinel.pictures" -}}/var/lib/tenant-sentinel/screenshots{{- end }}

{{/* What its Deployment, its policy and its PodMonitor select by. Takes nothing. */}}
{{- define "sentinel.visitorLabels" -}}
app.kubernetes.io/name: sentinel
app.kubernetes.io/component: visitor
{{- end }}

{{/* A job of its own: nobody else's word counts about pages. Takes nothing. */}}
{{- define "sentinel.visitorRelabelings" -}}
{{- toJson (list (dict "targetLabel" "job" "replacement" "sentinel-visitor")) -}}
{{- end }}

{{/* Of the same version as everything else, unless it is said. Takes $. */}}
{{- define "sentinel.visitorImage" -}}
{{- $image := .Values.visitor.image -}}
{{- if $image.digest -}}
{{ printf "%s@%s" $image.repository $image.digest }}
{{- else -}}
{{ printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) }}
{{- end -}}
{{- end }}

{{/* Takes $. */}}
{{- define "sentinel.visitorPod" -}}
serviceAccountName: sentinel-visitor
{{ include "sentinel.podCommon" . }}
containers:
  - name: sentinel
    args: [visit, --config, /etc/sentinel/witness.yaml]
    ports:
      - {name: http, containerPort: {{ include "sentinel.port" . }}, protocol: TCP}
    # Chromium writes its profile beneath TMPDIR, and looks for a home.
    env:
      - {name: HOME, value: /tmp}
    resources: {{- toYaml .Values.visitor.resources | nindent 6 }}
    startupProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 2
      timeoutSeconds: 2
      failureThreshold: 30
    {{- include "sentinel.ready" . | nindent 4 }}
    {{- include "sentinel.container" . | replace (include "sentinel.image" .) (include "sentinel.visitorImage" .) | nindent 4 }}
    volumeMounts:
      - {name: config, mountPath: /etc/sentinel, readOnly: true}
      - {name: scratch, mountPath: /tmp}
      - {name: pictures, mountPath: {{ include "sentinel.pictures" . }}}
volumes:
  # The witness's file, without its certificate: it names the tenants, and has no secret in it.
  - name: config
    configMap:
      name: sentinel-witness
      items: [{key: witness.yaml, path: witness.yaml}]
  - name: scratch
    emptyDir: {sizeLimit: 512Mi}
  - name: pictures
    emptyDir: {sizeLimit: 512Mi}
{{- end }}

{{/* Only Prometheus may ask it anything. Takes $. */}}
{{- define "sentinel.visitorPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: sentinel-visitor
  namespace: {{ .Release.Namespace }}
  labels: {{- include "sentinel.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "sentinel.visitorLabels" . | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
    - from:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: {{ .Values.networkPolicy.namespace }}}
      ports:
        - {protocol: TCP, port: http}
{{- end }}
