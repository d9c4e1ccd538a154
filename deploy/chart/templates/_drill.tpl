{{/*
Drills are no part of the release: whoever runs one in the cluster starts a Job. The pods of such a Job are scraped, if they
are here, carry these labels and name their port `http`.
*/}}

{{/* Whether there is anything that a drill can break: "true" or nothing. Takes $. */}}
{{- define "sentinel.drills" -}}
{{- if (default (dict) .Values.config).gateways }}true{{ end -}}
{{- end }}

{{/* Takes nothing. */}}
{{- define "sentinel.drillLabels" -}}
app.kubernetes.io/name: sentinel
app.kubernetes.io/component: drill
{{- end }}

{{/* A job of its own: no tenant's word counts about drills. Takes nothing. */}}
{{- define "sentinel.drillRelabelings" -}}
{{- toJson (list (dict "targetLabel" "job" "replacement" "sentinel-drill")) -}}
{{- end }}
