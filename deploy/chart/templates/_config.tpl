{{/*
The sentinel.yaml of one tenant, in which each tenant has a line: everybody has the whole list, and Helm keeps all of
them in one Secret of at most 1 MiB ("sentinel.other"). Its bytes are what the daemon reads and what the rules expect the hash of, so both
the ConfigMap and "sentinel.configHash" take them from here. Takes (dict "root" $ "tenant" t).
*/}}
{{- define "sentinel.yaml" -}}
{{- $root := .root -}}
{{- $opaque := eq $root.Values.disclosure "opaque" -}}
{{- $home := include "sentinel.home" .tenant -}}
{{- $chosen := include "sentinel.once" (list $root "sentinel.chosen") | fromJson -}}
{{- if hasKey $chosen.isolation "allow" -}}
{{- $_ := set $chosen.isolation "allow" (include "sentinel.allowed" . | fromJsonArray) -}}
{{- end -}}
{{- if eq $root.Values.kind "DaemonSet" }}{{- $_ := set $chosen.isolation "lease" "sentinel" }}{{- end -}}
{{- with include "sentinel.beaconLabels" . | fromJsonArray -}}
{{- $_ := set $chosen.network "beacon" (merge (dict "labels" .) (default (dict) $chosen.network.beacon)) -}}
{{- end -}}
{{- if $root.Values.witness.enabled -}}
{{- $relay := printf "https://%s:%v" (include "sentinel.witnessHost" $root) $root.Values.witness.relay.port -}}
{{- $_ := set $chosen.paging "relay" $relay -}}
{{- else if $root.Values.paging.direct -}}
{{- $_ := set $chosen.paging "direct" $root.Values.alertmanagers -}}
{{- end -}}
# Rendered by the chart: edit its values, not this file. A change is noticed without a restart.
cluster: {{ toJson $root.Values.cluster }}
tenant: {{ .tenant.name }}
{{- if $opaque }}
disclosure: opaque
{{- end }}
tenants:
{{- range $root.Values.tenants }}
{{- if eq .name $.tenant.name }}
  - {{ pick . "name" "namespaces" "owner" "contact" | toJson }}
{{- else if $opaque }}
  - {name: {{ include "sentinel.id" (list $root .name) }}, namespaces: []}
{{- else }}
  - {{ include "sentinel.other" (list $root .) }}
{{- end }}
{{- end }}
identities:
  - {name: self, token: own}
  {{- /* The sentinels share out what is asked as nobody by the tenants' names, and these differ from file to file when
  they are hidden: then the witness asks all of it. */}}
  {{- if not $opaque }}
  - {name: anonymous, token: none}
  {{- end }}
{{- range .tenant.identities }}
  - {{ include "sentinel.identity" (list $home .) }}
{{- end }}
{{ toYaml $chosen }}
{{ end }}

{{/*
A tenant as the others are told of it. Whose it is they need to know only where they push pages about it themselves.
In single quotes: Helm keeps all files as one JSON text, compressed with a memory of 32 KiB, in which a quote counts
twice; a list of tenants that is longer than that is kept once per tenant. Takes (list $ tenant).
*/}}
{{- define "sentinel.other" -}}
{{- $tenant := index . 1 -}}
{{- if (index . 0).Values.paging.direct -}}
{{- pick $tenant "name" "namespaces" "owner" "contact" | toJson -}}
{{- else -}}
{name: '{{ $tenant.name }}', namespaces: ['{{ join "','" $tenant.namespaces }}']}
{{- end -}}
{{- end }}

{{/* What the values say of the configuration, over the defaults, with every timer scaled, as JSON. What differs from
tenant to tenant is not in it. Takes $. */}}
{{- define "sentinel.chosen" -}}
{{- $isolation := dict "every" "10s" "within" "120s" "sweep" "30m" "timeout" "4s" "discovery" "60s" -}}
{{- $_ := set $isolation "system" (include "sentinel.system" . | fromJsonArray) -}}
{{- $_ := set $isolation "release" .Release.Namespace -}}
{{- if .Values.witness.enabled }}{{- $_ := set $isolation "witness_share" .Values.witness.share }}{{- end -}}
{{- $paging := dict "promise" "5m" -}}
{{- if or .Values.paging.direct .Values.witness.enabled -}}
{{- $_ := set $paging "repeat" "30s" -}}
{{- with .Values.runbookBase }}{{- $_ := set $paging "runbooks" (trimSuffix "/" .) }}{{- end -}}
{{- with .Values.dashboardBase }}{{- $_ := set $paging "dashboards" (trimSuffix "/" .) }}{{- end -}}
{{- end -}}
{{- $defaults := dict "isolation" $isolation "paging" $paging -}}
{{- if .Values.network.enabled -}}
{{- $_ := set $defaults "network" (dict "enabled" true "every" "10s" "timeout" "2s") -}}
{{- end -}}
{{- $tree := mergeOverwrite $defaults (deepCopy (default (dict) .Values.config)) -}}
{{- toJson (include "sentinel.scaledTree" (list . $tree) | fromJson).v -}}
{{- end }}

{{/* The exceptions that concern this tenant: its own and everybody's. Under `disclosure: opaque` it asks about nobody
else's namespaces, and is not told of exceptions there. As a JSON list. Takes (dict "root" $ "tenant" t). */}}
{{- define "sentinel.allowed" -}}
{{- $asked := append (include "sentinel.system" .root | fromJsonArray) "*" -}}
{{- $kept := list -}}
{{- range .root.Values.config.isolation.allow -}}
{{- if and (has .from (list $.tenant.name "*" "anonymous")) (or (ne $.root.Values.disclosure "opaque") (has .to $asked)) -}}
{{- $kept = append $kept . -}}
{{- end -}}
{{- end -}}
{{- toJson $kept -}}
{{- end }}

{{/* A copy of a tree with its timers scaled, as JSON {"v": …}. Takes (list $ tree). */}}
{{- define "sentinel.scaledTree" -}}
{{- $root := index . 0 -}}
{{- $tree := index . 1 -}}
{{- $copy := $tree -}}
{{- if kindIs "map" $tree -}}
{{- $copy = dict -}}
{{- range $key, $value := $tree -}}
{{- if and (kindIs "string" $value) (has $key (list "every" "within" "sweep" "discovery" "promise" "repeat")) -}}
{{- $_ := set $copy $key (include "sentinel.scaled" (list $root $value)) -}}
{{- else if and (kindIs "string" $value) (eq $key "timeout") -}}
{{- $_ := set $copy $key (include "sentinel.timeout" (list $root $value $tree.every)) -}}
{{- else -}}
{{- $_ := set $copy $key (include "sentinel.scaledTree" (list $root $value) | fromJson).v -}}
{{- end -}}
{{- end -}}
{{- else if kindIs "slice" $tree -}}
{{- $copy = list -}}
{{- range $tree -}}{{- $copy = append $copy (include "sentinel.scaledTree" (list $root .) | fromJson).v -}}{{- end -}}
{{- end -}}
{{- toJson (dict "v" $copy) -}}
{{- end }}

{{/* A timeout: an answer takes as long in a test as anywhere, so it shrinks only where it would not fit between two
questions any more. Takes (list $ timeout every). */}}
{{- define "sentinel.timeout" -}}
{{- $root := index . 0 -}}
{{- $timeout := index . 1 -}}
{{- $every := index . 2 -}}
{{- if and $every (lt ($root.Values.timeScale | float64) 1.0) -}}
{{- $room := mulf (include "sentinel.ms" $every | float64) ($root.Values.timeScale | float64) 0.8 -}}
{{- minf (include "sentinel.ms" $timeout | float64) $room | include "sentinel.fromMs" -}}
{{- else -}}
{{- $timeout -}}
{{- end -}}
{{- end }}

{{/* A further identity as the daemon reads it, as JSON: with a requested token it is told the account, with a file
whom to expect. Takes (list home identity). */}}
{{- define "sentinel.identity" -}}
{{- $home := index . 0 -}}
{{- $identity := index . 1 -}}
{{- if kindIs "map" $identity.token -}}
{{- $user := printf "system:serviceaccount:%s:%s" $home (include "sentinel.account" $identity) -}}
{{- toJson (dict "name" $identity.name "token" $identity.token "expect" $user) -}}
{{- else -}}
{{- toJson (dict "name" $identity.name "token" $identity.token "serviceAccount" (include "sentinel.account" $identity)) -}}
{{- end -}}
{{- end }}

{{/* The port of the daemon's pages for everybody. Takes $. */}}
{{- define "sentinel.port" -}}
{{- $web := default (dict) (default (dict) .Values.config).web -}}
{{- regexFind "[0-9]+$" (default "0.0.0.0:8080" $web.listen) -}}
{{- end }}

{{/* The port of every beacon, ours and the lighthouse's. Takes $. */}}
{{- define "sentinel.beaconPort" -}}
{{- dig "network" "beacon" "port" 7462 (default (dict) .Values.config) -}}
{{- end }}

{{/* What the further beacon pods of one tenant carry, as a JSON list of key=value; empty where there are none. Takes
(dict "root" $ "tenant" t). */}}
{{- define "sentinel.beaconLabels" -}}
{{- $network := .root.Values.network -}}
{{- $network.enabled | ternary (hasKey .tenant "beaconLabels" | ternary .tenant.beaconLabels $network.beacon.labels) list | toJson -}}
{{- end }}

{{/* The witness's journal as its file has it, as JSON; with a volume of its own it is kept for longer. Takes $. */}}
{{- define "sentinel.witnessJournal" -}}
{{- $journal := deepCopy (default (dict) (default (dict) .Values.config).journal) -}}
{{- with .Values.witness.journal -}}
{{- if .enabled -}}
{{- /* A tenth of the volume is for its file system, and for what is torn and put aside. */ -}}
{{- $own := dict "path" "/var/lib/sentinel/journal.jsonl" "keep" .keep "most" (printf "%dMi" (div (mul (int64 .sizeGi) 9216) 10)) -}}
{{- $journal = mergeOverwrite $journal $own -}}
{{- end -}}
{{- if .anchor }}{{ $_ := set $journal "anchor" .anchor }}{{ end -}}
{{- end -}}
{{- toJson (ternary $journal dict (hasKey $journal "path")) -}}
{{- end }}

{{/* Where a tenant's journal lives, or nothing. Takes $. */}}
{{- define "sentinel.journalDir" -}}
{{- $journal := default (dict) (default (dict) .Values.config).journal -}}
{{- if $journal.path }}{{ dir $journal.path }}{{ end -}}
{{- end }}
