{{/* One file of alerts/, rendered: YAML with `groups` at the top, or nothing if there are none. Takes (list $ path). */}}
{{- define "sentinel.rules" -}}
{{- $root := index . 0 -}}
{{- $path := index . 1 -}}
{{- $text := tpl ($root.Files.Get $path) $root | trim -}}
{{- $parsed := fromYaml $text -}}
{{- if not (hasKey $parsed "groups") -}}
{{- fail (printf "%s: rendered to no YAML with `groups` at the top. %v" $path (get $parsed "Error")) -}}
{{- end -}}
{{- if $parsed.groups }}{{ $text }}{{ end -}}
{{- end }}
