// CoreDNS of the tests: the server itself with the few plug-ins that they need. The whole list
// would bring the SDKs of three clouds and a Kubernetes client.
package main

import (
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/file"
	_ "github.com/coredns/coredns/plugin/template"
	_ "github.com/coredns/coredns/plugin/transfer"
)

func main() { coremain.Run() }
