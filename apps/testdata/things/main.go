// Command things is the service that the tests run.
package main

import (
	_ "embed"

	"private-api/apps/internal/service"
)

//go:embed things.json
var things []byte

func main() {
	service.Service{Name: "things", Path: "/api/things", List: things}.Main()
}
