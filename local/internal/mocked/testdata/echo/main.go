// Command echo is a third service, for tests: it answers what it was sent, and misbehaves when asked to.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

func main() {
	var sick atomic.Bool
	http.HandleFunc("/api/echo/health", func(w http.ResponseWriter, r *http.Request) {
		if sick.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	http.HandleFunc("/api/echo/sick", func(w http.ResponseWriter, r *http.Request) {
		sick.Store(true)
		time.AfterFunc(3*time.Second, func() { sick.Store(false) })
		fmt.Fprint(w, os.Getpid())
	})
	http.HandleFunc("/api/echo/error", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	http.HandleFunc("/api/echo/exit", func(w http.ResponseWriter, r *http.Request) { os.Exit(3) })
	http.HandleFunc("/api/echo/slow", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	http.HandleFunc("/api/echo/large", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.RawQuery)
		w.Write(make([]byte, n))
	})
	http.HandleFunc("/api/echo/", func(w http.ResponseWriter, r *http.Request) {
		length, _ := io.Copy(io.Discard, r.Body)
		if strings.HasPrefix(os.Getenv("IMAGE_DIGEST"), "broken-") { // a version that starts, and answers nothing
			w.WriteHeader(http.StatusInternalServerError)
		}
		w.Header().Set("Access-Control-Allow-Origin", "https://of-the-service.example.com")
		json.NewEncoder(w).Encode(map[string]any{
			"pid": os.Getpid(), "method": r.Method, "path": r.RequestURI, "host": r.Host, "header": r.Header, "length": length,
			"environment": strings.Join(os.Environ(), "\n"),
		})
	})
	log.Fatal(http.ListenAndServe(os.Getenv("HOST")+":"+os.Getenv("PORT"), nil))
}
