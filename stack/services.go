package stack

import "private-api/producer"

// Services are what the stack runs. Another service is another value here and a folder of its name in apps/, or the
// digest of an image.
func Services() []producer.Service {
	return []producer.Service{
		{Name: "book", Path: "/api/books", Priority: 100},
		{Name: "author", Path: "/api/authors", Priority: 200},
	}
}
