// Command book serves the list of books.
package main

import (
	_ "embed"

	"private-api/apps/internal/service"
)

//go:embed books.json
var books []byte

func main() {
	service.Service{Name: "book", Path: "/api/books", List: books}.Main()
}
