// Package load runs a service's binary as a process of its own and sends it requests, for the tests and the benchmark.
package load

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Client sends one GET after another over one connection and hides nothing: net/http's client silently repeats a request
// that was lost with its connection. The zero value with an Address is ready to use.
type Client struct {
	Address string // host:port

	connection net.Conn
	reader     *bufio.Reader
}

// Answer is a whole answer.
type Answer struct {
	Status int
	Body   []byte
	Last   bool // the server closes the connection after it
}

// Get sends one request and waits at most 10 s for its answer. It dials first if there is no connection, because it is
// the first request, or because the one before failed or got the last answer of its connection. An error wraps
// syscall.ECONNREFUSED only if nobody listened, so that nothing was sent.
func (c *Client) Get(path, traceID string) (Answer, error) {
	if c.connection == nil {
		connection, err := net.Dial("tcp", c.Address)
		if err != nil {
			return Answer{}, err
		}
		c.connection, c.reader = connection, bufio.NewReader(connection)
	}
	answer, err := c.exchange(path, traceID)
	if err != nil || answer.Last {
		c.Close()
	}
	return answer, err
}

// Connected tells whether the next Get uses a connection that has answered before.
func (c *Client) Connected() bool { return c.connection != nil }

// Close closes the connection, if there is one.
func (c *Client) Close() {
	if c.connection != nil {
		c.connection.Close()
		c.connection = nil
	}
}

func (c *Client) exchange(path, traceID string) (Answer, error) {
	if err := c.connection.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return Answer{}, err
	}
	const request = "GET %s HTTP/1.1\r\nHost: %s\r\nX-Amzn-Trace-Id: %s\r\nForwarded: for=192.0.2.60;proto=https\r\n\r\n"
	if _, err := fmt.Fprintf(c.connection, request, path, c.Address, traceID); err != nil {
		return Answer{}, err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return Answer{}, err
	}
	body, err := io.ReadAll(response.Body)
	return Answer{response.StatusCode, body, response.Close}, err
}

// Run keeps the given number of connections busy with GETs of path for the given time and returns how many were answered
// with 200. Anything else is an error.
func Run(address, path string, connections int, during time.Duration) (answered int, err error) {
	counts := make([]int, connections)
	errs := make([]error, connections)
	end := time.Now().Add(during)
	var clients sync.WaitGroup
	for i := range connections {
		clients.Go(func() {
			client := Client{Address: address}
			defer client.Close()
			for time.Now().Before(end) {
				answer, err := client.Get(path, "Root=1-67891233-abcdef012345678912345678")
				if err == nil && answer.Status != http.StatusOK {
					err = fmt.Errorf("%s: status %d", path, answer.Status)
				}
				if err != nil {
					errs[i] = err
					return
				}
				counts[i]++
			}
		})
	}
	clients.Wait()
	for i := range connections {
		answered += counts[i]
		if errs[i] != nil {
			err = errs[i]
		}
	}
	return answered, err
}
