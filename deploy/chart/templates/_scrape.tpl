{{/*
From the pod's namespace to the label `tenant`, and its node, as a JSON list in the spelling of a PodMonitor: the name itself, then
those tenants that are called otherwise. Takes $.
*/}}
{{- define "sentinel.relabelings" -}}
{{- $from := list "__meta_kubernetes_namespace" -}}
{{- $steps := list (dict "targetLabel" "job" "replacement" "sentinel") (dict "sourceLabels" $from "targetLabel" "tenant") -}}
{{- $steps = append $steps (dict "sourceLabels" (list "__meta_kubernetes_pod_node_name") "targetLabel" "node") -}}
{{- range .Values.tenants }}
{{- $home := include "sentinel.home" . -}}
{{- if ne $home .name }}
{{- $steps = append $steps (dict "sourceLabels" $from "regex" $home "targetLabel" "tenant" "replacement" .name) -}}
{{- end }}
{{- end -}}
{{- toJson $steps -}}
{{- end }}

{{/* A job of its own: what the witness says of a tenant must not be taken for the tenant's word, nor the other way round.
Takes nothing. */}}
{{- define "sentinel.witnessRelabelings" -}}
{{- toJson (list (dict "targetLabel" "job" "replacement" "sentinel-witness")) -}}
{{- end }}

{{/* Only our own families pass: no tenant can forge a recorded series (they have a colon) or another exporter's. */}}
{{- define "sentinel.metricRelabelings" -}}
{{- toJson (list (dict "sourceLabels" (list "__name__") "regex" "(sentinel|chaos|process)_[a-zA-Z0-9_]+" "action" "keep")) -}}
{{- end }}

{{/* The same steps in Prometheus' own spelling. Takes the JSON list. */}}
{{- define "sentinel.plainRelabelings" -}}
{{- range (. | fromJsonArray) }}
{{- $step := dict -}}
{{- range $key, $value := . }}{{- $_ := set $step (snakecase $key) $value }}{{- end }}
- {{ toJson $step }}
{{- end }}
{{- end }}
