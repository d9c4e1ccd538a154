{{/* The pod of one tenant's sentinel. Takes (dict "root" $ "tenant" t). */}}
{{- define "sentinel.podSpec" -}}
{{- $values := .root.Values -}}
serviceAccountName: sentinel
# The token is mounted below, explicitly: the automatic one lives for a year wherever tokens are extended.
automountServiceAccountToken: false
# Addresses of the tenant's Services are no business of ours.
enableServiceLinks: false
# It ends within 5 s by itself.
terminationGracePeriodSeconds: 10
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
affinity:
  podAntiAffinity:
    # A hint, no demand: one dead node should not blind several tenants.
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 50
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          namespaceSelector: {}
          labelSelector:
            matchLabels: {{- include "sentinel.podLabels" . | nindent 14 }}
tolerations:
  # Kubernetes' default of 300 s on a dead node is the whole promise.
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 30}
  - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 30}
containers:
  - name: sentinel
    image: {{ include "sentinel.image" .root }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    args: [run, --config, /etc/sentinel/sentinel.yaml]
    ports:
      - {name: http, containerPort: {{ include "sentinel.port" .root }}, protocol: TCP}
    # Python starts slowly on a busy node; after that, a stalled loop is restarted within half a minute.
    startupProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 2
      timeoutSeconds: 2
      failureThreshold: 30
    livenessProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 3
    readinessProbe:
      httpGet: {path: /readyz, port: http}
      periodSeconds: 5
      timeoutSeconds: 3
      failureThreshold: 2
    resources: {{- toYaml $values.resources | nindent 6 }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    volumeMounts:
      - {name: config, mountPath: /etc/sentinel, readOnly: true}
      - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
      {{- with include "sentinel.journalDir" .root }}
      - {name: journal, mountPath: {{ . }}}
      {{- end }}
      {{- range .tenant.identities }}
      {{- if .secret }}
      - {name: {{ printf "identity-%s" .name }}, mountPath: {{ dir .token.file }}, readOnly: true}
      {{- end }}
      {{- end }}
volumes:
  - name: config
    configMap: {name: sentinel}
  - name: token
    projected:
      sources:
        # 3600 and not 3607, which an API server takes for the automatic mount and extends to a year.
        - serviceAccountToken: {path: token, expirationSeconds: 3600}
        - configMap:
            name: kube-root-ca.crt
            items: [{key: ca.crt, path: ca.crt}]
        - downwardAPI:
            items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]
  {{- if include "sentinel.journalDir" .root }}
  - name: journal
    emptyDir: {sizeLimit: 256Mi}
  {{- end }}
  {{- range .tenant.identities }}
  {{- if .secret }}
  - name: {{ printf "identity-%s" .name }}
    secret: {secretName: {{ .secret }}}
  {{- end }}
  {{- end }}
{{- end }}

{{- define "sentinel.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ printf "%s@%s" $image.repository $image.digest }}
{{- else -}}
{{ printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) }}
{{- end -}}
{{- end }}
