{{/* The pod of one tenant's sentinel. Takes (dict "root" $ "tenant" t). */}}
{{- define "sentinel.podSpec" -}}
{{- $values := .root.Values -}}
{{- $relayed := $values.witness.enabled -}}
serviceAccountName: sentinel
{{ include "sentinel.podCommon" .root }}
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
containers:
  - name: sentinel
    args: [run, --config, /etc/sentinel/sentinel.yaml]
    ports:
      - {name: http, containerPort: {{ include "sentinel.port" .root }}, protocol: TCP}
      {{- with include "sentinel.beaconPorts" .root }}{{ . | nindent 6 }}{{ end }}
    {{- with include "sentinel.whereabouts" .root }}{{ . | nindent 4 }}{{ end }}
    resources: {{- toYaml $values.resources | nindent 6 }}
    # Python starts slowly on a busy node.
    startupProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 2
      timeoutSeconds: 2
      failureThreshold: 30
    {{- if $values.network.enabled }}
    {{- include "sentinel.listens" .root | nindent 4 }}
    {{- else }}
    {{- include "sentinel.ready" .root | nindent 4 }}
    {{- end }}
    {{- include "sentinel.container" .root | nindent 4 }}
    volumeMounts:
      - {name: config, mountPath: /etc/sentinel, readOnly: true}
      - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
      {{- if $relayed }}
      - {name: relay-token, mountPath: /var/run/secrets/tenant-sentinel, readOnly: true}
      {{- end }}
      {{- with include "sentinel.journalDir" .root }}
      - {name: journal, mountPath: {{ . }}}
      {{- end }}
      {{- with include "sentinel.gatewayMounts" .root }}{{ . | nindent 6 }}{{ end }}
      {{- range .tenant.identities }}
      {{- if .secret }}
      - {name: {{ printf "identity-%s" .name }}, mountPath: {{ dir .token.file }}, readOnly: true}
      {{- end }}
      {{- end }}
volumes:
  {{- if $relayed }}
  {{- include "sentinel.relayedConfig" . | nindent 2 }}
  {{- else }}
  - name: config
    configMap: {name: sentinel}
  {{- end }}
  {{- include "sentinel.ownVolumes" .root | nindent 2 }}
  {{- with include "sentinel.journalVolume" .root }}{{ . | nindent 2 }}{{ end }}
  {{- with include "sentinel.gatewayVolumes" .root }}{{ . | nindent 2 }}{{ end }}
  {{- if $relayed }}
  {{- include "sentinel.relayToken" . | nindent 2 }}
  {{- end }}
  {{- range .tenant.identities }}
  {{- if .secret }}
  - name: {{ printf "identity-%s" .name }}
    secret: {secretName: {{ .secret }}}
  {{- end }}
  {{- end }}
{{- end }}

{{/* The pod of the witness. Takes $. */}}
{{- define "sentinel.witnessPod" -}}
serviceAccountName: sentinel-witness
{{ include "sentinel.podCommon" (dict "Values" .Values "ownsVolume" .Values.witness.journal.enabled) }}
containers:
  - name: sentinel
    args: [witness, --config, /etc/sentinel/witness.yaml]
    ports:
      - {name: http, containerPort: {{ include "sentinel.port" . }}, protocol: TCP}
      - {name: relay, containerPort: {{ .Values.witness.relay.port }}, protocol: TCP}
      {{- if include "sentinel.pageDrill" . }}
      - {name: page-drill, containerPort: {{ .Values.paging.drill.port }}, protocol: TCP}
      {{- end }}
      {{- with include "sentinel.beaconPorts" . }}{{ . | nindent 6 }}{{ end }}
    {{- with include "sentinel.whereabouts" . }}{{ . | nindent 4 }}{{ end }}
    resources: {{- toYaml .Values.witness.resources | nindent 6 }}
    # It plans for every tenant before it listens: with a hundred of them that is a quarter of a minute of CPU.
    startupProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 2
      timeoutSeconds: 2
      failureThreshold: 150
    {{- include "sentinel.ready" . | nindent 4 }}
    {{- include "sentinel.container" . | nindent 4 }}
    volumeMounts:
      - {name: config, mountPath: /etc/sentinel, readOnly: true}
      - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
      {{- with include "sentinel.witnessJournal" . | fromJson }}
      - {name: journal, mountPath: {{ dir .path }}}
      {{- end }}
      {{- with include "sentinel.gatewayMounts" . }}{{ . | nindent 6 }}{{ end }}
      {{- if include "sentinel.heartbeat" . }}
      - {name: heartbeat, mountPath: /var/run/secrets/heartbeat, readOnly: true}
      {{- end }}
volumes:
  - name: config
    projected:
      sources:
        - configMap:
            name: sentinel-witness
            items: [{key: witness.yaml, path: witness.yaml}]
        - secret:
            name: {{ include "sentinel.witnessSecret" . }}
            items:
              - {key: tls.crt, path: tls/tls.crt}
              - {key: tls.key, path: tls/tls.key}
  {{- include "sentinel.ownVolumes" . | nindent 2 }}
  {{- if .Values.witness.journal.enabled }}
  - name: journal
    persistentVolumeClaim: {claimName: sentinel-witness-journal}
  {{- else }}
  {{- with include "sentinel.journalVolume" . }}{{ . | nindent 2 }}{{ end }}
  {{- end }}
  {{- with include "sentinel.gatewayVolumes" . }}{{ . | nindent 2 }}{{ end }}
  {{- if include "sentinel.heartbeat" . }}
  - name: heartbeat
    # Optional: without it nobody outside is told, and everything else goes on.
    secret: {secretName: {{ .Values.paging.heartbeat.secret }}, optional: true, items: [{key: url, path: url}]}
  {{- end }}
{{- end }}

{{/* What every pod of ours has in common. Takes $. */}}
{{- define "sentinel.podCommon" -}}
# The token is mounted below, explicitly: the automatic one lives for a year wherever tokens are extended.
automountServiceAccountToken: false
# Addresses of the namespace's Services are no business of ours.
enableServiceLinks: false
# It ends within 5 s by itself.
terminationGracePeriodSeconds: 10
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  {{- if .ownsVolume }}
  # A volume comes as root's; it is made ours once.
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile: {type: RuntimeDefault}
tolerations:
  # Kubernetes' default of 300 s on a dead node is the whole promise.
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 30}
  - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 30}
{{- end }}

{{/*
The pod that is only a beacon, with a tenant's own labels. It asks nothing, so it has no token for the API server; what
it has is the tenant's file and the token that the witness knows it by. Takes (dict "root" $ "tenant" t).
*/}}
{{- define "sentinel.beaconPod" -}}
serviceAccountName: sentinel
{{ include "sentinel.podCommon" .root }}
containers:
  - name: sentinel
    args: [beacon, --config, /etc/sentinel/sentinel.yaml]
    ports:
      - {name: sentinel-http, containerPort: {{ include "sentinel.port" .root }}, protocol: TCP}
      {{- with include "sentinel.beaconPorts" .root }}{{ . | nindent 6 }}{{ end }}
    {{- with include "sentinel.whereabouts" .root }}{{ . | nindent 4 }}{{ end }}
    resources: {{- toYaml .root.Values.network.beacon.resources | nindent 6 }}
    {{- include "sentinel.listens" .root | nindent 4 }}
    {{- include "sentinel.container" .root | replace "port: http" "port: sentinel-http" | nindent 4 }}
    volumeMounts:
      - {name: config, mountPath: /etc/sentinel, readOnly: true}
      - {name: relay-token, mountPath: /var/run/secrets/tenant-sentinel, readOnly: true}
volumes:
  {{- include "sentinel.relayedConfig" . | nindent 2 }}
  {{- include "sentinel.relayToken" . | nindent 2 }}
{{- end }}

{{/* The ports of a listener: TCP and HTTP on one, UDP on the same number. Takes $; nothing where the network is not
proven. */}}
{{- define "sentinel.beaconPorts" -}}
{{- if .Values.network.enabled -}}
- {name: beacon, containerPort: {{ include "sentinel.beaconPort" . }}, protocol: TCP}
- {name: beacon-udp, containerPort: {{ include "sentinel.beaconPort" . }}, protocol: UDP}
{{- end -}}
{{- end }}

{{/* Who and where the pod is, as nobody in it can know. Takes $; nothing where the network is not proven. */}}
{{- define "sentinel.whereabouts" -}}
{{- if .Values.network.enabled -}}
env:
  - {name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
  - {name: POD_IPS, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}
  - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
{{- end -}}
{{- end }}

{{/* Ready while it can prove. Takes $. */}}
{{- define "sentinel.ready" -}}
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- end }}

{{/*
Ready while the listener listens: the kubelet's word that it does is what makes another tenant's silence a proof. So it
asks the very port that the others knock at, by number, and often; whether the API can be proven is for /readyz on the
other port, and for the rules. Takes $.
*/}}
{{- define "sentinel.listens" -}}
readinessProbe:
  httpGet: {path: /readyz, port: {{ include "sentinel.beaconPort" . }}}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}

{{/* The tenant's file, and what it verifies the witness by. Takes nothing. */}}
{{- define "sentinel.relayedConfig" -}}
- name: config
  configMap:
    name: sentinel
    items:
      - {key: sentinel.yaml, path: sentinel.yaml}
      - {key: ca.crt, path: relay/ca.crt}
{{- end }}

{{- define "sentinel.relayToken" -}}
- name: relay-token
  projected:
    sources:
      # For the witness and nobody else: at the API server this token opens nothing.
      - serviceAccountToken: {path: token, audience: tenant-sentinel, expirationSeconds: 3600}
{{- end }}

{{/* What every container of ours has in common. Takes $. */}}
{{- define "sentinel.container" -}}
image: {{ include "sentinel.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
# A stalled loop is restarted within half a minute.
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* The volume that every pod of ours has: who it is. Takes $. */}}
{{- define "sentinel.ownVolumes" -}}
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
{{- end }}

{{/* The volume of a tenant's journal, if it keeps one. Takes $. */}}
{{- define "sentinel.journalVolume" -}}
{{- if include "sentinel.journalDir" . -}}
- name: journal
  emptyDir: {sizeLimit: 256Mi}
{{- end }}
{{- end }}

{{/* Where the keys of gateways are mounted. Takes $; nothing where there are none. */}}
{{- define "sentinel.gatewayMounts" -}}
{{- range .Values.gatewaySecrets }}
- {name: {{ printf "gateway-%s" .name }}, mountPath: {{ printf "/var/run/secrets/gateways/%s" .name }}, readOnly: true}
{{- end }}
{{- end }}

{{/* The Secrets of the pod's own namespace that hold them. Takes $. */}}
{{- define "sentinel.gatewayVolumes" -}}
{{- range .Values.gatewaySecrets }}
- name: {{ printf "gateway-%s" .name }}
  # Optional: without a key this gateway is not asked, and isolation is proven all the same.
  secret: {secretName: {{ .secret }}, optional: true}
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
