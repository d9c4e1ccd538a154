{{/*
Keeps tenants away from the ones who page: a tenant that reaches Alertmanager can silence or forge pages, one that
reaches Prometheus reads everybody's. It selects none of our own pods, so nothing we prove is its doing. Takes $.
*/}}
{{- define "sentinel.monitoringPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: sentinel-monitoring
  namespace: {{ .Values.networkPolicy.namespace }}
  labels: {{- include "sentinel.labels" . | nindent 4 }}
spec:
  podSelector:
    matchExpressions:
      - {key: app.kubernetes.io/name, operator: In, values: [alertmanager, prometheus]}
  policyTypes: [Ingress]
  ingress:
    - from:
        # Prometheus, Grafana and the operator talk to each other here.
        - podSelector: {}
        # The release's own namespace, which no tenant controls.
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: {{ .Release.Namespace }}}
{{- end }}

{{/*
Who reaches the witness: tenants' sentinels and beacons its relay and its lighthouse, the monitoring namespace its
metrics, and the page drill's end. It holds back only what comes in, and the witness asks nothing but the API server and gateways: what is proven of the
network is none of its doing. No policy of ours selects a pod of a tenant's: what we prove would be our own work. Takes $.
*/}}
{{- define "sentinel.witnessPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: sentinel-witness
  namespace: {{ .Release.Namespace }}
  labels: {{- include "sentinel.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "sentinel.witnessLabels" . | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
    - from:
        - namespaceSelector:
            matchExpressions:
              - key: kubernetes.io/metadata.name
                operator: In
                values:
                  {{- range .Values.tenants }}
                  - {{ include "sentinel.home" . }}
                  {{- end }}
          podSelector:
            {{- if .Values.network.enabled }}
            matchLabels: {{- include "sentinel.beaconLabel" . | nindent 14 }}
            {{- else }}
            matchLabels: {{- include "sentinel.podLabels" . | nindent 14 }}
            {{- end }}
      ports:
        - {protocol: TCP, port: relay}
        {{- if .Values.network.enabled }}
        - {protocol: TCP, port: beacon}
        - {protocol: UDP, port: beacon-udp}
        {{- end }}
    - from:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: {{ .Values.networkPolicy.namespace }}}
      ports:
        - {protocol: TCP, port: http}
        {{- if include "sentinel.pageDrill" . }}
        - {protocol: TCP, port: page-drill}
        {{- end }}
{{- end }}
