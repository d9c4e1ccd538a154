{{/*
Names that the templates, and the rules in alerts/, share.

Every template takes the root context $, or (dict "root" $ "tenant" <one of .Values.tenants>).
*/}}

{{/* Whose objects these are; nothing here changes from version to version, so an upgrade restarts nobody for a label. */}}
{{- define "sentinel.labels" -}}
app.kubernetes.io/name: sentinel
app.kubernetes.io/part-of: tenant-sentinel
{{- end }}

{{/* What Deployment, Service and PodMonitor select by. Takes nothing. */}}
{{- define "sentinel.podLabels" -}}
app.kubernetes.io/name: sentinel
app.kubernetes.io/component: tenant
{{- end }}

{{/* The namespace where a tenant's sentinel runs: its first. Takes a tenant. */}}
{{- define "sentinel.home" -}}
{{- first .namespaces -}}
{{- end }}

{{/* Targets of everybody, besides the tenants: a JSON list. Takes $. */}}
{{- define "sentinel.system" -}}
{{- $isolation := default (dict) (default (dict) .Values.config).isolation -}}
{{- if hasKey $isolation "system" -}}
{{- toJson (default (list) $isolation.system) -}}
{{- else -}}
{{- toJson (list "kube-system" .Release.Namespace) -}}
{{- end -}}
{{- end }}

{{/* Every namespace with a door: of all tenants and of the system, each once: a JSON list. Takes $. */}}
{{- define "sentinel.doors" -}}
{{- $all := include "sentinel.system" . | fromJsonArray -}}
{{- range .Values.tenants }}{{- $all = concat $all .namespaces }}{{- end -}}
{{- toJson (uniq $all) -}}
{{- end }}

{{/* The accounts that ask on behalf of one tenant: its sentinel, and those of its further identities that are
ServiceAccounts. They need the same controls, or nothing they are denied could be proven. Takes a tenant. */}}
{{- define "sentinel.accounts" -}}
{{- $home := include "sentinel.home" . -}}
- {kind: ServiceAccount, namespace: {{ $home }}, name: sentinel}
{{- $seen := dict "sentinel" true -}}
{{- range .identities }}
{{- if and .serviceAccount (not (hasKey $seen .serviceAccount)) }}
{{- $_ := set $seen .serviceAccount true }}
- {kind: ServiceAccount, namespace: {{ $home }}, name: {{ .serviceAccount }}}
{{- end }}
{{- end }}
{{- end }}

{{/* The same for all tenants together: the subjects of doors and of the open decoy. Takes $. */}}
{{- define "sentinel.allAccounts" -}}
{{- range $i, $tenant := .Values.tenants }}
{{- if $i }}{{ "\n" }}{{ end }}
{{- include "sentinel.accounts" $tenant }}
{{- end }}
{{- end }}

{{/*
A duration times timeScale: {{ include "sentinel.scaled" (list $ "120s") }}, or (list $ "4s" "1s") for one that must
not become shorter than 1s. Reads "1h30m", "2m", "1.5s", "500ms"; at timeScale 1 the text stays as it is, else the
result is in whole seconds or, where it is a fraction, in ms: Prometheus refuses "0.5s".
*/}}
{{- define "sentinel.scaled" -}}
{{- $root := index . 0 -}}
{{- $text := toString (index . 1) -}}
{{- $scale := float64 $root.Values.timeScale -}}
{{- if eq $scale 1.0 -}}
{{- $text -}}
{{- else -}}
{{- $ms := mulf (include "sentinel.ms" $text | float64) $scale -}}
{{- if eq (len .) 3 -}}
{{- $ms = maxf $ms (minf (include "sentinel.ms" (index . 2) | float64) (include "sentinel.ms" $text | float64)) -}}
{{- end -}}
{{- $whole := max 1 (round $ms 0 | int64) -}}
{{- if mod $whole 1000 -}}{{ $whole }}ms{{- else -}}{{ div $whole 1000 }}s{{- end -}}
{{- end -}}
{{- end }}

{{/* A duration in milliseconds, as a number. Takes the text. */}}
{{- define "sentinel.ms" -}}
{{- if not (regexMatch "^([0-9]+(\\.[0-9]+)?(ms|s|m|h|d))+$" .) -}}
{{- fail (printf "%q is not a duration: write it like 10s, 5m, 1h30m or 500ms." .) -}}
{{- end -}}
{{- $unit := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)" . -1 -}}
{{- $sum = addf $sum (mulf (regexFind "^[0-9.]+" . | float64) (get $unit (regexFind "[a-z]+$" .) | float64)) -}}
{{- end -}}
{{- $sum -}}
{{- end }}

{{/* The adler32 of one tenant's sentinel.yaml: what sentinel_config_hash must show. Takes (dict "root" $ "tenant" t). */}}
{{- define "sentinel.configHash" -}}
{{- include "sentinel.yaml" . | adler32sum -}}
{{- end }}
