{{/*
The sentinel.yaml of one tenant. Its bytes are what the daemon reads and what the rules expect the hash of, so both
the ConfigMap and "sentinel.configHash" take them from here. Takes (dict "root" $ "tenant" t).
*/}}
{{- define "sentinel.yaml" -}}
{{- $root := .root -}}
{{- $tenants := list -}}
{{- range $root.Values.tenants }}{{- $tenants = append $tenants (pick . "name" "namespaces" "owner" "contact") }}{{- end -}}
{{- $identities := list (dict "name" "self" "token" "own") (dict "name" "anonymous" "token" "none") -}}
{{- range .tenant.identities }}{{- $identities = append $identities (omit . "secret") }}{{- end -}}
{{- $isolation := dict "every" "10s" "within" "120s" "sweep" "30m" "timeout" "4s" "system" (include "sentinel.system" $root | fromJsonArray) -}}
{{- $timers := dict "isolation" $isolation "paging" (dict "promise" "5m") -}}
{{- $chosen := include "sentinel.scaledTree" (list $root (mergeOverwrite $timers (deepCopy (default (dict) $root.Values.config)))) | fromJson -}}
{{- if $root.Values.paging.direct }}{{- $_ := set $chosen.v.paging "direct" $root.Values.alertmanagers }}{{- end -}}
# Rendered by the chart: edit its values, not this file. A change is noticed without a restart.
{{ toYaml (dict "cluster" $root.Values.cluster "tenant" .tenant.name "tenants" $tenants "identities" $identities) }}
{{ toYaml $chosen.v }}
{{ end }}

{{/* A copy of a tree with its timers scaled, as JSON {"v": …}. Takes (list $ tree). */}}
{{- define "sentinel.scaledTree" -}}
{{- $root := index . 0 -}}
{{- $tree := index . 1 -}}
{{- $copy := $tree -}}
{{- if kindIs "map" $tree -}}
{{- $copy = dict -}}
{{- range $key, $value := $tree -}}
{{- if and (kindIs "string" $value) (has $key (list "every" "within" "sweep" "promise")) -}}
{{- $_ := set $copy $key (include "sentinel.scaled" (list $root $value)) -}}
{{- else if and (kindIs "string" $value) (eq $key "timeout") -}}
{{- /* An answer takes as long in a test as anywhere: below a second a timeout would measure the machine. */ -}}
{{- $_ := set $copy $key (include "sentinel.scaled" (list $root $value "1s")) -}}
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

{{/* The port of the daemon's pages for everybody. Takes $. */}}
{{- define "sentinel.port" -}}
{{- $web := default (dict) (default (dict) .Values.config).web -}}
{{- regexFind "[0-9]+$" (default "0.0.0.0:8080" $web.listen) -}}
{{- end }}

{{/* Where the journal's file lives, or nothing. Takes $. */}}
{{- define "sentinel.journalDir" -}}
{{- $journal := default (dict) (default (dict) .Values.config).journal -}}
{{- if $journal.path }}{{ dir $journal.path }}{{ end -}}
{{- end }}
