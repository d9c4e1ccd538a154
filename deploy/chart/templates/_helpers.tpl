{{/*
Names that the templates, and the rules in alerts/, share.

Every template takes the root context $, or (dict "root" $ "tenant" <one of .Values.tenants>).
*/}}

{{/*
What another template gives, worked out once per rendering: with hundreds of tenants most of a rendering is lists of all
of them, and what is left to chance must be made once. Takes (list $ name), or (list $ name tenant) for a template that
takes (dict "root" $ "tenant" t).
*/}}
{{- define "sentinel.once" -}}
{{- $root := index . 0 -}}
{{- $key := index . 1 -}}
{{- $about := $root -}}
{{- if gt (len .) 2 -}}
{{- $key = printf "%s of %s" (index . 1) (index . 2).name -}}
{{- $about = dict "root" $root "tenant" (index . 2) -}}
{{- end -}}
{{- if not (hasKey $root $key) }}{{- $_ := set $root $key (include (index . 1) $about) }}{{- end -}}
{{- get $root $key -}}
{{- end }}

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

{{/* What the witness finds a pod by that answers challenges: a label of our own, since the pods of network.beacon.labels
carry a tenant's usual ones. Takes $; nothing where the network is not proven. */}}
{{- define "sentinel.beaconLabel" -}}
{{- if .Values.network.enabled -}}
tenant-sentinel/beacon: "true"
{{- end -}}
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

{{/* The ServiceAccount of a further identity: as it says, else the one of its name. Takes an identity. */}}
{{- define "sentinel.account" -}}
{{- default .name .serviceAccount -}}
{{- end }}

{{/* The accounts of one tenant that are asked as besides its sentinel's own, each as namespace/name: those of its further
identities and, where there is a witness, those it is given: a JSON list. Takes (dict "root" $ "tenant" t). */}}
{{- define "sentinel.furtherAccounts" -}}
{{- $home := include "sentinel.home" .tenant -}}
{{- $found := list -}}
{{- range .tenant.identities }}{{- $found = append $found (printf "%s/%s" $home (include "sentinel.account" .)) }}{{- end -}}
{{- if .root.Values.witness.enabled -}}
{{- range (include "sentinel.listed" .tenant | fromJsonArray) -}}
{{- $found = append $found (contains "/" . | ternary . (printf "%s/%s" $home .)) -}}
{{- end -}}
{{- end -}}
{{- toJson (uniq $found) -}}
{{- end }}

{{/* A tenant's ordinary accounts as the values have them: a JSON list. Takes a tenant. */}}
{{- define "sentinel.listed" -}}
{{- toJson (hasKey . "accounts" | ternary .accounts (list "default")) -}}
{{- end }}

{{/* The accounts that are asked as on behalf of one tenant, as subjects of a binding. All of them need the same
controls, or nothing they are denied could be proven. Takes (dict "root" $ "tenant" t). */}}
{{- define "sentinel.accounts" -}}
- {kind: ServiceAccount, namespace: {{ include "sentinel.home" .tenant }}, name: sentinel}
{{- range (include "sentinel.furtherAccounts" . | fromJsonArray) }}
- {kind: ServiceAccount, namespace: {{ dir . }}, name: {{ base . }}}
{{- end }}
{{- end }}

{{/*
All of them together: the subjects of doors and of the open decoy. Where the witness asks as further accounts, it is all
accounts of the namespaces that these are in: whoever may edit a namespace can act as any of them, and a list of each
would be too long for what Helm can keep. Takes $.
*/}}
{{- define "sentinel.allAccounts" -}}
{{- range $i, $tenant := .Values.tenants }}
{{- if $i }}{{ "\n" }}{{ end }}
{{- if $.Values.witness.enabled -}}
{{- $spaces := list (include "sentinel.home" .) -}}
{{- range (include "sentinel.furtherAccounts" (dict "root" $ "tenant" .) | fromJsonArray) }}{{ $spaces = append $spaces (dir .) }}{{- end -}}
{{- range $j, $space := uniq $spaces }}
{{- if $j }}{{ "\n" }}{{ end -}}
- {kind: Group, name: 'system:serviceaccounts:{{ . }}'}
{{- end }}
{{- else -}}
{{- include "sentinel.accounts" (dict "root" $ "tenant" .) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
A duration times timeScale: {{ include "sentinel.scaled" (list $ "120s") }}. At timeScale 1 the text stays as it is,
else the result is in whole seconds or, where it is a fraction, in ms: Prometheus refuses "0.5s".
*/}}
{{- define "sentinel.scaled" -}}
{{- $scale := (index . 0).Values.timeScale | float64 -}}
{{- $text := index . 1 | toString -}}
{{- if eq $scale 1.0 -}}
{{- $text -}}
{{- else -}}
{{- mulf (include "sentinel.ms" $text | float64) $scale | include "sentinel.fromMs" -}}
{{- end -}}
{{- end }}

{{/* Milliseconds as a duration, at least one. Takes a number. */}}
{{- define "sentinel.fromMs" -}}
{{- $whole := max 1 (round . 0 | int64) -}}
{{- if mod $whole 1000 -}}{{ $whole }}ms{{- else -}}{{ div $whole 1000 }}s{{- end -}}
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
{{- include "sentinel.once" (list .root "sentinel.yaml" .tenant) | adler32sum -}}
{{- end }}

{{/* The classes of questions to the network that are asked: a JSON list, empty where it is off. Takes $. */}}
{{- define "sentinel.networkChecks" -}}
{{- $asked := default (dict) (default (dict) .Values.config).network -}}
{{- $found := list -}}
{{- if .Values.network.enabled -}}
{{- $found = list "net/tcp" "net/udp" "net/http" -}}
{{- if dig "node" "enabled" false $asked }}{{ $found = append $found "net/node" }}{{ end -}}
{{- if $asked.cloud }}{{ $found = append $found "net/cloud" }}{{ end -}}
{{- if dig "dns" "enabled" false $asked }}{{ $found = append $found "net/dns" }}{{ end -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}
