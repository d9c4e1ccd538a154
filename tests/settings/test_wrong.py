"""Every kind of wrong configuration we could think of, each with the exact line that its author gets to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentinel import errors, settings
from tests.settings.conftest import GOOD, Refusal

NAME = "a name (lower-case letters, digits and '-', at most 63)"
NAMESPACE = "the name of a namespace (lower-case letters, digits and '-', at most 63)"
DURATION = "a duration such as 10s, 5m or 500ms"
UNITS = "(units, largest first: d h m s ms)"
GRANT = "{from: team-a, to: team-b, verbs: [get], resources: [secrets], reason: r, owner: o}"
PAGED = (
    "{name: g, url: 'https://g/', model: m, providers: [{name: p}],"
    " page: {url: 'https://c/', prompt: textarea, answer: .answer, graceful: [Busy]}}"
)
GATEWAY = "{name: g, url: 'https://g/', model: m, providers: [{name: p}]}"

ALONE = [
    ("a cluster without a name", "tenant: a\ntenants: [{name: a, namespaces: [a]}]\n",
     "s.yaml:1: cluster: found nothing, expected a value (it has no default)"),
    ("a number for a name", "cluster: 12\ntenant: a\ntenants: [{name: a, namespaces: [a]}]\n",
     ("s.yaml:1: cluster: found 12, expected the name of the cluster (letters, digits and . _ : / @ -)"
     " (write it in quotes)")),
    ("no tenants", "cluster: c\ntenant: a\n",
     "s.yaml:1: tenants: found nothing, expected a value (it has no default)"),
    ("an empty list of tenants", "cluster: c\ntenant: a\ntenants: []\n",
     "s.yaml:3: tenants: found an empty list, expected at least one"),
    ("tenants that are no list", "cluster: c\ntenant: a\ntenants: a\n",
     "s.yaml:3: tenants: found a, expected a list"),
    ("a tenant that is no mapping", "cluster: c\ntenant: a\ntenants:\n  - a\n",
     "s.yaml:4: tenants[0]: found a, expected a mapping"),
    ("a tenant without namespaces", "cluster: c\ntenant: a\ntenants:\n- name: a\n- name: b\n  namespaces: [b]\n",
     "s.yaml:4: tenants[0].namespaces: found nothing, expected a value (it has no default)"),
    ("a tenant with an empty list of namespaces", "cluster: c\ntenant: a\ntenants:\n- {name: a, namespaces: []}\n",
     "s.yaml:4: tenants[0].namespaces: found none, expected at least one namespace"),
    ("a hidden tenant that is ourselves",
     "cluster: c\ntenant: a\ndisclosure: opaque\ntenants:\n- {name: a, namespaces: []}\n",
     "s.yaml:5: tenants[0].namespaces: found none, expected at least one namespace"),
    ("an account of another tenant's namespace",
     "cluster: c\ntenant: a\ntenants:\n- {name: a, namespaces: [a], accounts: [default, b/default]}\n",
     "s.yaml:4: tenants[0].accounts[1]: found b/default, expected a ServiceAccount in a namespace of a"),
    ("the sentinel's account among the ordinary ones",
     "cluster: c\ntenant: a\ntenants:\n- {name: a, namespaces: [a], accounts: [sentinel]}\n",
     ("s.yaml:4: tenants[0].accounts[0]: found sentinel, expected another account than the sentinel's own"
      " (it is asked as in any case)")),
    ("an account twice",
     "cluster: c\ntenant: a\ntenants:\n- {name: a, namespaces: [a], accounts: [default, a/default]}\n",
     "s.yaml:4: tenants[0].accounts[1]: found a/default, expected each account once"),
    ("a share of all", "cluster: c\ntenant: a\ntenants: [{name: a, namespaces: [a]}]\nisolation: {witness_share: 1}\n",
     "s.yaml:4: isolation.witness_share: found 1, expected a share from 0 to less than 1, such as 0.25"),
    ("a namespace where a list belongs", "cluster: c\ntenant: a\ntenants:\n- {name: a, namespaces: a}\n",
     "s.yaml:4: tenants[0].namespaces: found a, expected a list"),
    ("a name with capitals", "cluster: c\ntenant: b\ntenants:\n- {name: Team_A, namespaces: [a]}\n",
     f"s.yaml:4: tenants[0].name: found Team_A, expected {NAME}"),
    ("a namespace with an underscore", "cluster: c\ntenant: a\ntenants:\n- {name: a, namespaces: [a, a_b]}\n",
     f"s.yaml:4: tenants[0].namespaces[1]: found a_b, expected {NAMESPACE}"),
    ("a name of 64 letters", f"cluster: c\ntenant: a\ntenants:\n- {{name: a, namespaces: [{'n' * 64}]}}\n",
     f"s.yaml:4: tenants[0].namespaces[0]: found {'n' * 60}..., expected {NAMESPACE}"),
    ("a name that YAML takes for a truth", "cluster: c\ntenant: a\ntenants:\n- {name: on, namespaces: [a]}\n",
     f"s.yaml:4: tenants[0].name: found on, expected {NAME} (write it in quotes)"),
    ("a tenant twice", "cluster: c\ntenant: a\ntenants:\n- {name: a, namespaces: [a]}\n- {name: a, namespaces: [b]}\n",
     "s.yaml:5: tenants[1].name: found a, expected each tenant once"),
    ("a namespace of two tenants",
     "cluster: c\ntenant: a\ntenants:\n- {name: a, namespaces: [a]}\n- {name: b, namespaces: [b, a]}\n",
     "s.yaml:5: tenants[1].namespaces[1]: found a, expected a namespace of one tenant, named once (a has it already)"),
    ("a tenant in a namespace of Kubernetes", "cluster: c\ntenant: a\ntenants:\n- {name: a, namespaces: [kube-public]}\n",
     ("s.yaml:4: tenants[0].namespaces[0]: found kube-public, expected a namespace of a tenant"
     " (kube- is reserved by Kubernetes)")),
    ("a tenant with a reserved name", "cluster: c\ntenant: witness\ntenants:\n- {name: witness, namespaces: [w]}\n",
     "s.yaml:4: tenants[0].name: found witness, expected another name than anonymous or witness"),
    ("an owner of two lines", 'cluster: c\ntenant: a\ntenants:\n- {name: a, namespaces: [a], owner: "x\\ny"}\n',
     's.yaml:4: tenants[0].owner: found "x\\x0ay", expected one line of text, 1 to 200 characters'),
    ("a tenant that is not among the tenants", "cluster: c\ntenant: z\ntenants:\n- {name: a, namespaces: [a]}\n",
     "s.yaml:2: tenant: found z, expected one of tenants: a"),
    ("no tenant named, outside a pod", "cluster: c\ntenants:\n- {name: a, namespaces: [a]}\n",
     ("s.yaml:1: tenant: found nothing, expected the name of one of tenants"
     " (it may be left out only in a pod in a tenant's namespace)")),
    ("a key written twice", "cluster: c\ntenant: a\ntenants:\n- {name: a, namespaces: [a]}\ncluster: d\n",
     "s.yaml:5: cluster: found the key again, expected it once, as in line 1"),
]  # fmt: skip
"""(what is wrong, the file, the only line said about it)"""

BESIDE = [
    ("an unknown section", "isolaton: {every: 10s}",
     ("s.yaml:6: isolaton: found an unknown key, expected one of cluster, tenant, disclosure, kubernetes, identities, tenants,"
     " isolation, network, gateways, checks, paging, alerting, relay, web, journal, log (did you mean isolation?)")),
    ("an unknown key", "isolation:\n  every: 10s\n  evry: 10s",
     ("s.yaml:8: isolation.evry: found an unknown key, expected one of every, within, sweep, timeout, qps, witness_share,"
     " discovery, system, release, lease, allow, distribution (did you mean every?)")),
    ("an unknown key that resembles nothing", "web: {zzzzzz: 1}",
     "s.yaml:6: web.zzzzzz: found an unknown key, expected one of listen, console, readyz_always_200"),
    ("a section left empty", "isolation:", "s.yaml:6: isolation: found nothing, expected a mapping"),
    ("a section that is a list", "paging: []", "s.yaml:6: paging: found an empty list, expected a mapping"),
    ("a duration without a unit", "isolation: {every: 10}",
     f"s.yaml:6: isolation.every: found 10, expected {DURATION}"),
    ("a quoted duration without a unit", 'isolation: {every: "10"}',
     f's.yaml:6: isolation.every: found "10", expected {DURATION} {UNITS}'),
    ("a duration as a clock shows it", "isolation: {every: 1:30}",
     f"s.yaml:6: isolation.every: found 1:30, expected {DURATION} {UNITS}"),
    ("a duration with a blank", "isolation: {every: 10 s}",
     f"s.yaml:6: isolation.every: found 10 s, expected {DURATION} {UNITS}"),
    ("units in the wrong order", "isolation: {sweep: 30m1h}",
     f"s.yaml:6: isolation.sweep: found 30m1h, expected {DURATION} {UNITS}"),
    ("a negative duration", "isolation: {every: -10s}",
     "s.yaml:6: isolation.every: found -10s, expected a duration longer than zero"),
    ("no time at all", "isolation: {every: 0s}",
     "s.yaml:6: isolation.every: found 0s, expected a duration longer than zero"),
    ("less than a millisecond", "isolation: {every: 0.5ms}",
     "s.yaml:6: isolation.every: found 0.5ms, expected a duration in whole milliseconds"),
    ("more than a year", "journal: {keep: 366d}",
     "s.yaml:6: journal.keep: found 366d, expected a duration of at most 365d"),
    ("a timeout as long as a round", "isolation:\n  every: 4s",
     "s.yaml:6: isolation.timeout: found 4s, the default, expected less than isolation.every, 4s"),
    ("a written timeout longer than a round", "isolation:\n  every: 10s\n  timeout: 11s",
     "s.yaml:8: isolation.timeout: found 11s, expected less than isolation.every, 10s"),
    ("within shorter than a round", "isolation:\n  within: 9s",
     "s.yaml:7: isolation.within: found 9s, expected at least isolation.every, 10s"),
    ("sweep shorter than within", "isolation:\n  sweep: 90s",
     "s.yaml:7: isolation.sweep: found 1m30s, expected at least isolation.within, 2m"),
    ("no requests at all", "isolation: {qps: 0}",
     "s.yaml:6: isolation.qps: found 0, expected a number of requests per second above 0, at most 100000"),
    ("requests that are no number", "isolation: {qps: .nan}",
     "s.yaml:6: isolation.qps: found .nan, expected a number of requests per second above 0, at most 100000"),
    ("requests as a truth", "isolation: {qps: true}",
     "s.yaml:6: isolation.qps: found true, expected a number of requests per second above 0, at most 100000"),
    ("a tenant's namespace in system", "isolation: {system: [kube-system, team-b]}",
     ("s.yaml:6: isolation.system[1]: found team-b, expected a namespace of no tenant"
     " (it belongs to team-b, which would be asked to break into itself)")),
    ("the release in a tenant's namespace", "isolation: {release: team-b-jobs}",
     ("s.yaml:6: isolation.release: found team-b-jobs, expected a namespace of no tenant"
     " (it belongs to team-b, which could read and remove the decoys)")),
    ("a namespace of system twice", "isolation: {system: [infra, infra]}",
     "s.yaml:6: isolation.system[1]: found infra, expected each namespace once"),
    ("a wanted grant without a reason", "isolation:\n  allow:\n  - " + GRANT.replace("reason: r, ", ""),
     "s.yaml:8: isolation.allow[0].reason: found nothing, expected a value (it has no default)"),
    ("a wanted grant that nobody has decided on", "isolation:\n  allow:\n  - " + GRANT.replace("owner: o", "owner: FILL IN"),
     ("s.yaml:8: isolation.allow[0].owner: found FILL IN, expected words of a person who answers for it"
      " (it was proposed by sentinel, and nobody has decided yet)")),
    ("a wanted grant of an unknown tenant", "isolation:\n  allow:\n  - " + GRANT.replace("team-a", "team-x"),
     "s.yaml:8: isolation.allow[0].from: found team-x, expected a tenant, anonymous or *"),
    ("a wanted grant to an unknown namespace", "isolation:\n  allow:\n  - " + GRANT.replace("team-b", "team-x"),
     "s.yaml:8: isolation.allow[0].to: found team-x, expected a namespace of a tenant or of isolation.system, or *"),
    ("a wanted grant at home", "isolation:\n  allow:\n  - " + GRANT.replace("team-b", "team-a"),
     "s.yaml:8: isolation.allow[0].to: found team-a, expected a namespace of somebody else (it is team-a's own)"),
    ("a wanted grant of an unknown verb", "isolation:\n  allow:\n  - " + GRANT.replace("[get]", "[read]"),
     ("s.yaml:8: isolation.allow[0].verbs[0]: found read, expected one of get, list, watch, create, update, patch,"
     " delete, deletecollection, bind, escalate, impersonate, approve, sign, attest, use, *")),
    ("a wanted grant of a kind instead of a resource", "isolation:\n  allow:\n  - " + GRANT.replace("secrets", "Secret"),
     ("s.yaml:8: isolation.allow[0].resources[0]: found Secret, expected a resource such as secrets, deployments.apps"
     " or pods/log (plural, lower case, with its API group after a dot)")),
    ("a wanted grant until no day", "isolation:\n  allow:\n  - " + GRANT.replace("}", ", until: 2027-02-30}"),
     "s.yaml:8: isolation.allow[0].until: found 2027-02-30, expected a date such as 2027-01-31"),
    ("an identity twice", ("identities: [{name: self, token: own}, {name: x, token: {file: a}},"
     " {name: x, token: {file: b}}]"),
     "s.yaml:6: identities[2].name: found x, expected each identity once"),
    ("no self", "identities: [{name: anonymous, token: none}]",
     "s.yaml:6: identities: found none of that name, expected an identity self (its gates bracket all the others)"),
    ("self without its own token", "identities: [{name: self, token: {file: /t}}]",
     "s.yaml:6: identities[0].token: found a mapping, expected own, which is what self means"),
    ("a second identity with the own token", "identities: [{name: self, token: own}, {name: me, token: own}]",
     "s.yaml:6: identities[1].token: found own, expected request or {file: <path>} (own is the token of self)"),
    ("an unknown source of tokens", "identities: [{name: self, token: onw}]",
     "s.yaml:6: identities[0].token: found onw, expected own, none, request or {file: <path>}"),
    ("a token file under another key", "identities: [{name: self, token: own}, {name: x, token: {path: /t}}]",
     "s.yaml:6: identities[1].token.file: found nothing, expected a value (it has no default)",
     "s.yaml:6: identities[1].token.path: found an unknown key, expected one of file"),
    ("a requested token of nobody", "identities: [{name: self, token: own}, {name: ci, token: request}]",
     "s.yaml:6: identities[1].serviceAccount: found nothing, expected the ServiceAccount to request a token for"),
    ("an account for a token from a file",
     "identities: [{name: self, token: own}, {name: x, token: {file: t}, serviceAccount: y}]",
     ("s.yaml:6: identities[1].serviceAccount: found y, expected no serviceAccount"
     " (it goes with token: request only; for others write expect)")),
    ("an account with its namespace",
     "identities: [{name: self, token: own}, {name: x, token: request, serviceAccount: 'team-a:x'}]",
     ('s.yaml:6: identities[1].serviceAccount: found "team-a:x",'
     " expected the name of a ServiceAccount, without its namespace")),
    ("one account under two names",
     "identities: [{name: self, token: own}, {name: x, token: request, serviceAccount: sentinel}]",
     ("s.yaml:6: identities[1]: found system:serviceaccount:team-a:sentinel again, expected each account once"
     " (self is that already)")),
    ("an Alertmanager without a scheme", "paging: {direct: ['alertmanager:9093']}",
     ('s.yaml:6: paging.direct[0]: found "alertmanager:9093", expected a URL that begins with http:// or https://'
     " or dns+http:// or dns+https://")),
    ("an Alertmanager twice", "paging: {direct: ['http://am:9093', 'http://am:9093']}",
     's.yaml:6: paging.direct[1]: found "http://am:9093", expected each Alertmanager once'),
    ("an Alertmanager at port 99999", "paging: {direct: ['http://am:99999']}",
     ('s.yaml:6: paging.direct[0]: found "http://am:99999", expected a URL that begins with http:// or https://'
     " or dns+http:// or dns+https://")),
    ("a password in a URL", "paging: {direct: ['http://me:hunter2@am:9093']}",
     ("s.yaml:6: paging.direct[0]: found text that is not shown here, expected a URL without user and password"
     " (secrets are given as paths of files, never as values)")),
    ("a relay by DNS", "paging: {relay: 'dns+http://witness'}",
     's.yaml:6: paging.relay: found "dns+http://witness", expected a URL that begins with https://'),
    ("a relay in the clear", "paging: {relay: 'http://witness'}",
     's.yaml:6: paging.relay: found "http://witness", expected a URL that begins with https://'),
    ("a witness without a share of the budget", "relay: {}\nisolation: {witness_share: 0}",
     "s.yaml:7: isolation.witness_share: found 0, expected a share above 0 in the witness's own file, such as 0.25"),
    ("a witness that hands its pages to itself",
     "relay: {}\nisolation: {witness_share: 0.25}\npaging: {relay: 'https://witness'}",
     ('s.yaml:8: paging.relay: found "https://witness", expected none in the witness\'s own file'
      " (it is the relay; give it paging.direct)")),
    ("a drill that would meet the last one", "paging: {drill: {every: 3m, within: 60s}}\n",
     "s.yaml:6: paging.drill.every: found 3m, expected at least four times paging.drill.within, 4m"),
    ("a heartbeat of a tenant's sentinel", "paging: {heartbeat: {file: /run/url}}\n",
     ("s.yaml:6: paging.heartbeat.file: found /run/url, expected the witness's own file, with alerting.prometheus and"
      " paging.direct (it is beaten only while both are seen to work)")),
    ("an unknown mode", "paging: {mode: silent}", "s.yaml:6: paging.mode: found silent, expected one of page, shadow"),
    ("a port that is none", "web: {listen: '0.0.0.0:70000'}",
     's.yaml:6: web.listen: found "0.0.0.0:70000", expected a port from 1 to 65535'),
    ("port zero", "web: {listen: '0.0.0.0:0'}", 's.yaml:6: web.listen: found "0.0.0.0:0", expected a port from 1 to 65535'),
    ("a port alone", "web: {listen: 8080}",
     's.yaml:6: web.listen: found 8080, expected an address and a port such as "127.0.0.1:8081"'),
    ("a name to listen on", "web: {listen: 'sentinel:8080'}",
     's.yaml:6: web.listen: found "sentinel:8080", expected an IP address to listen on, such as "0.0.0.0:8080"'),
    ("a console for everybody", "web: {console: '0.0.0.0:8081'}",
     ('s.yaml:6: web.console: found "0.0.0.0:8081", expected an address on loopback such as 127.0.0.1:8081'
     " (it shows breaches to whoever can reach it; use kubectl port-forward)")),
    ("two listeners on one port", "web: {listen: '127.0.0.1:8081'}",
     "s.yaml:6: web.console: found 127.0.0.1:8081, the default, expected another port than web.listen"),
    ("yes for true", 'web: {readyz_always_200: "yes"}',
     's.yaml:6: web.readyz_always_200: found "yes", expected true or false'),
    ("an unknown level", "log: {level: verbose}",
     "s.yaml:6: log.level: found verbose, expected one of debug, info, warning, error"),
    ("an unknown format", "log: {format: text}", "s.yaml:6: log.format: found text, expected one of json, console"),
    ("an empty path", 'journal: {path: ""}', 's.yaml:6: journal.path: found "", expected the path of a file'),
    ("a beacon at no port", "network: {beacon: {port: '7462'}}",
     's.yaml:6: network.beacon.port: found "7462", expected a port from 1 to 65535'),
    ("beacons with a label that is none", "network: {beacon: {labels: [app]}}",
     "s.yaml:6: network.beacon.labels[0]: found app, expected a label such as app=web"),
    ("no sockets", "network: {sockets: 0}", "s.yaml:6: network.sockets: found 0, expected a whole number from 16 to 4096"),
    ("half an attempt", "network: {attempts: 0.5}",
     "s.yaml:6: network.attempts: found 0.5, expected a whole number from 1 to 10"),
    ("a yes for an attempt", "network: {attempts: true}",
     "s.yaml:6: network.attempts: found true, expected a whole number from 1 to 10"),
    ("a network that is on with a word", "network: {enabled: 'on'}",
     's.yaml:6: network.enabled: found "on", expected true or false'),
    ("a cloud that nobody knows", "network: {cloud: atlantis}",
     ("s.yaml:6: network.cloud: found atlantis, expected one of"
      " aws, azure, gcp, openstack, alibaba, oracle, digitalocean, hetzner")),
    ("a DNS server by its name", "network: {dns: {server: dns.kube-system.svc}}",
     "s.yaml:6: network.dns.server: found dns.kube-system.svc, expected the IP address of a DNS server, such as 10.96.0.10"),
    ("a domain with a dot at its end", "network: {dns: {zone: cluster.local.}}",
     "s.yaml:6: network.dns.zone: found cluster.local., expected a domain such as cluster.local"),
    ("a node that is switched on with a word", "network: {node: {enabled: 'yes'}}",
     's.yaml:6: network.node.enabled: found "yes", expected true or false'),
    ("a connection that may last as long as a round", "network: {timeout: 10s}",
     "s.yaml:6: network.timeout: found 10s, expected less than network.every, 10s"),
    ("an unknown make of gateway", "gateways: [" + GATEWAY.replace("model", "preset: gpt, model") + "]",
     ("s.yaml:6: gateways[0].preset: found gpt, expected one of litellm, portkey, bifrost, kong, helicone, cloudflare,"
     " ngrok, openrouter, plain")),
    ("a key instead of its file", "gateways: [" + GATEWAY.replace("model: m", "model: m, key: sk-0123456789") + "]",
     "s.yaml:6: gateways[0].key: found text that is not shown here, expected a mapping"),
    ("a pattern that is none", "gateways: [" + GATEWAY.replace("name: p", "name: p, match: [{where: sse, regex: '('}]")
     + "]",
     ('s.yaml:6: gateways[0].providers[0].match[0].regex: found "(", expected a regular expression'
     " (missing ), unterminated subpattern at position 0)")),
    ("a primary that is no provider", "gateways: [" + GATEWAY.replace("model", "primary: q, model") + "]",
     "s.yaml:6: gateways[0].primary: found q, expected one of its providers: p"),
    ("a gateway twice", f"gateways: [{GATEWAY}, {GATEWAY}]",
     "s.yaml:6: gateways[1].name: found g, expected each gateway once"),
    ("a hang that is seen too late", "gateways: [" + GATEWAY.replace("model", "patience: {total: 30s}, model") + "]",
     ("s.yaml:6: gateways[0].patience.total: found 30s, expected less than failover.within, 30s"
      " (a hang must be seen before the promise is broken)")),
    ("a first token after the end", "gateways: [" + GATEWAY.replace("model", "patience: {total: 9s}, model") + "]",
     "s.yaml:6: gateways[0].patience.first_token: found 10s, the default, expected at most patience.total, 9s"),
    ("a burst that is slower", "gateways: [" + GATEWAY.replace("model", "burst: 3s, model") + "]",
     "s.yaml:6: gateways[0].burst: found 3s, expected at most baseline, 2s"),
    ("a header without a value", "gateways: [" + GATEWAY.replace("model", "headers: [{name: X-A}], model") + "]",
     "s.yaml:6: gateways[0].headers[0]: found a mapping, expected either value or file"),
    ("a sign without a place",
     "gateways: [" + GATEWAY.replace("name: p", "name: p, match: [{where: header, regex: a}]") + "]",
     ("s.yaml:6: gateways[0].providers[0].match[0]: found a mapping, expected a key: the name of a header,"
      " or a JSON pointer")),
    ("an id with a key",
     "gateways: [" + GATEWAY.replace("name: p", "name: p, match: [{where: id_prefix, key: x, regex: a}]") + "]",
     "s.yaml:6: gateways[0].providers[0].match[0].key: found x, expected no key (an answer has one id)"),
    ("a budget of nothing", "gateways: [" + GATEWAY.replace("model", "budget: {tokens: 0}, model") + "]",
     "s.yaml:6: gateways[0].budget.tokens: found 0, expected a number of tokens, at least 1"),
    ("a status that is none", "gateways: [" + GATEWAY.replace("model", "graceful: [{regex: a, status: [42]}], model")
     + "]", "s.yaml:6: gateways[0].graceful[0].status[0]: found 42, expected an HTTP status from 200 to 599"),
    ("a page without a message for bad times", "gateways: [" + PAGED.replace(", graceful: [Busy]", "") + "]",
     "s.yaml:6: gateways[0].page.graceful: found nothing, expected a value (it has no default)"),
    ("a page with no message in its list", "gateways: [" + PAGED.replace("[Busy]", "[]") + "]",
     "s.yaml:6: gateways[0].page.graceful: found an empty list, expected at least one"),
    ("a selector of another kind", "gateways: [" + PAGED.replace("textarea", "'a >> b'") + "]",
     's.yaml:6: gateways[0].page.prompt: found "a >> b", expected a CSS selector in one line, such as textarea or #send'),
    ("a page that waits too long", "gateways: [" + PAGED.replace("graceful", "timeout: 30s, graceful") + "]",
     ("s.yaml:6: gateways[0].page.timeout: found 30s, expected less than failover.within, 30s"
      " (a hang must be seen before the promise is broken)")),
    ("visits that overlap", "gateways: [" + PAGED.replace("graceful", "every: 20s, graceful") + "]",
     "s.yaml:6: gateways[0].page.every: found 20s, expected at least page.timeout, 25s"),
    ("visits that are too far apart", "gateways: [" + PAGED.replace("graceful", "every: 6m, graceful") + "]",
     ("s.yaml:6: gateways[0].page.every: found 6m, expected at most 5m"
      " (the rules look a quarter of an hour back)")),
    ("no screenshot to keep", "gateways: [" + PAGED.replace("graceful", "screenshots: {path: /x, keep: 0}, graceful") + "]",
     "s.yaml:6: gateways[0].page.screenshots.keep: found 0, expected a whole number from 1 to 1000"),
    ("more than all", "gateways: [" + GATEWAY.replace("model", "streamed: 1.5, model") + "]",
     "s.yaml:6: gateways[0].streamed: found 1.5, expected a share from 0 to 1, such as 0.75"),
    ("a check that would never run", "checks: [{name: x, probe: {kind: http}, expect: served}]",
     ("s.yaml:6: checks[0].probe: found a mapping, expected a kind of probe that this version can be given"
     " (there are none yet)")),
    ("a token in the file", "kubernetes: {context: eyJhbGciOiJSUzI1NiIsImtpZCI6}",
     ("s.yaml:6: kubernetes.context: found a token, key or password (not shown), expected the path of a file"
     " (mount the secret and give its path; this one is to be replaced, it was written down)")),
    ("an alias", "log: &here {level: info}\njournal: *here",
     "s.yaml:7: journal: found *here, expected the value itself (aliases are not followed)"),
    ("a tag", "log: {level: !!python/name:os.system x}",
     "s.yaml:6: log.level: found the tag python/name:os.system, expected a value without a tag"),
    ("a key that is a list", "? [a]\n: b", "s.yaml:6: found a list, a mapping or an alias as a key, expected text"),
]  # fmt: skip
"""(what is wrong, what is added to a good file, the only lines said about it)"""

SYNTAX = [
    ("an empty file", b"", "s.yaml: found an empty file, expected a mapping that begins with cluster:"),
    ("nothing but a comment", b"# soon\n", "s.yaml: found an empty file, expected a mapping that begins with cluster:"),
    ("a list at the top", b"\n- a\n", "s.yaml:2: found a list, expected a mapping that begins with cluster:"),
    ("a word", b"sentinel\n", "s.yaml:1: found sentinel, expected a mapping that begins with cluster:"),
    ("a tab", b"cluster: c\nweb:\n\tlisten: x\n",
     ("s.yaml:3: found character '\\t' that cannot start any token, expected YAML"
     " (indent with spaces, never with tabs)")),
    ("a bracket left open", b"cluster: c\ntenants: [a\n",
     "s.yaml:3: found expected ',' or ']', but got '<stream end>', expected YAML"),
    ("two documents", b"cluster: c\n---\ncluster: d\n", "s.yaml:2: found a second document, expected YAML"),
    ("Latin letters of 1987", b"cluster: c\n# caf\xe9\n", "s.yaml:2: found the byte 0xe9, expected UTF-8 text"),
    ("a control character", b"cluster: \x07\n",
     "s.yaml: found special characters are not allowed, expected YAML"),
    ("a ladder without end", b"[" * 99, "s.yaml:1: found more than 32 levels, expected a configuration"),
    ("aliases that unfold", b"a: &a [x]\nb: [" + b"*a," * 20_000 + b"]",
     "s.yaml:2: found more than 20000 values, expected a configuration"),
    ("more than a MiB", b"#" * (1024 * 1024 + 1), "s.yaml: found more than 1 MiB, expected a file of at most 1 MiB"),
]  # fmt: skip
"""(what is wrong, the bytes of the file, the only line said about it)"""


@pytest.mark.parametrize(("text", "said"), [case[1:] for case in ALONE], ids=[case[0] for case in ALONE])
def test_a_wrong_file_is_refused_with_the_line_that_helps(text: str, said: str, problems_of: Refusal) -> None:
    assert problems_of(text) == [said]


@pytest.mark.parametrize(("text", "said"), [(case[1], case[2:]) for case in BESIDE], ids=[case[0] for case in BESIDE])
def test_a_wrong_value_in_a_good_file_gives_one_problem_and_none_that_follows(
    text: str, said: tuple[str, ...], problems_of: Refusal
) -> None:
    assert problems_of(GOOD + text + "\n") == list(said)


@pytest.mark.parametrize(("content", "said"), [case[1:] for case in SYNTAX], ids=[case[0] for case in SYNTAX])
def test_what_is_no_configuration_at_all_is_refused_with_its_line(
    content: bytes, said: str, problems_of: Refusal
) -> None:
    assert problems_of(content) == [said]


def test_all_of_it_at_once_in_the_order_of_the_file_and_then_of_the_environment(problems_of: Refusal) -> None:
    text = (
        "cluster: 12\n"
        "tenant: team-c\n"
        "tenants:\n"
        "  - {name: team-a, namespaces: [team-a]}\n"
        "  - {name: team-b, namespaces: [team-a]}\n"
        "isolation: {every: 10, timeout: 4s, within: 5s, sweep: 1s}\n"
        "web: {console: '10.0.0.1:1'}\n"
    )

    said = problems_of(text, {"SENTINEL__LOG__LEVEL": "loud", "SENTINEL__PAGIN__MODE": "page"})

    assert [line.split(", expected")[0] for line in said] == [
        "s.yaml:1: cluster: found 12",
        "s.yaml:2: tenant: found team-c",
        "s.yaml:5: tenants[1].namespaces[0]: found team-a",
        "s.yaml:6: isolation.every: found 10",
        "s.yaml:6: isolation.sweep: found 1s",
        's.yaml:7: web.console: found "10.0.0.1:1"',
        "SENTINEL__PAGIN__MODE: pagin.mode: found a key that does not exist",
        "SENTINEL__LOG__LEVEL: log.level: found loud",
    ]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "missing.yaml",
            "missing.yaml: found no such file or directory, expected a configuration file that can be read",
        ),
        (".", ".: found is a directory, expected a configuration file that can be read"),
        ("a\0b", "a\\x00b: found embedded null byte, expected a configuration file that can be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem_like_any_other(path: str, said: str) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        settings.load(Path(path), {})

    assert str(caught.value) == said


def test_a_secret_in_any_place_is_never_repeated(problems_of: Refusal) -> None:
    token = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJ4In0.c2ln"
    text = f"{token}: 1\ncluster: {token}\ntenants: [{{name: '{token}', namespaces: ['Bearer {token}']}}]\n"

    environ = {"SENTINEL__TENANT": token, f"SENTINEL__{token}": token, "SENTINEL__IDENTITIES": f"[{{token: {token}}}]"}
    said = problems_of(text, environ) + problems_of(f"{text}*{token}: [")

    assert {line.split(":")[0] for line in said} == {
        "s.yaml", "(not shown)", "SENTINEL__TENANT", "SENTINEL__IDENTITIES",
    }  # fmt: skip
    assert "eyJ" not in "\n".join(said)


def test_terminal_codes_in_a_file_reach_nobody_s_terminal(problems_of: Refusal) -> None:
    said = problems_of(GOOD + 'log: {level: "\\e[2J\\r\\n\\u202e"}\n')

    assert said == [
        's.yaml:6: log.level: found "\\x1b[2J\\x0d\\x0a\\x202e", expected one of debug, info, warning, error'
    ]


def test_of_a_thousand_problems_two_hundred_are_said_and_the_rest_is_counted(problems_of: Refusal) -> None:
    said = problems_of("".join(f"key{number}: 1\n" for number in range(998)))  # and no cluster, no tenants

    assert len(said) == 201
    assert said[-1] == "s.yaml: found 800 more problems, expected a configuration of tenant-sentinel"
