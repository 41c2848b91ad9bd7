// Command echo is a third service, for tests: it answers what it was sent, and misbehaves when asked to.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
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
	http.HandleFunc("/api/echo/exit", func(w http.ResponseWriter, r *http.Request) { os.Exit(3) })
	http.HandleFunc("/api/echo/slow", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	http.HandleFunc("/api/echo/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "https://of-the-service.example.com")
		json.NewEncoder(w).Encode(map[string]any{
			"pid": os.Getpid(), "method": r.Method, "path": r.RequestURI, "host": r.Host, "header": r.Header,
			"environment": strings.Join(os.Environ(), "\n"),
		})
	})
	server := &http.Server{Addr: os.Getenv("HOST") + ":" + os.Getenv("PORT")}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Println(err)
		os.Exit(1)
	}
}
