// Command author serves the list of authors.
package main

import (
	_ "embed"

	"private-api/apps/internal/service"
)

//go:embed authors.json
var authors []byte

func main() {
	service.Service{Name: "author", Path: "/api/authors", List: authors}.Main()
}
