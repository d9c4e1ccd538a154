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
