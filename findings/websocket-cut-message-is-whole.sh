#!/usr/bin/env bash
# github.com/coder/websocket v1.8.15 (gorilla/websocket v1.5.3 beside it).
#
# A server sends the first frame of a message in two frames, and its connection ends in order (FIN) before the second
# one. Read returns what came as a whole message, without an error; gorilla/websocket returns the same with the error
# "unexpected EOF". After the first byte of a frame the end is an error in both.
#
# Seen: coder:   "first half, " <nil>
#       gorilla: "first half, " websocket: close 1006 (abnormal closure): unexpected EOF
set -euo pipefail

folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

cat > go.mod <<'EOT'
module finding

go 1.26

require (
	github.com/coder/websocket v1.8.15
	github.com/gorilla/websocket v1.5.3
)
EOT

cat > main.go <<'EOT'
package main

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

// serve answers one handshake, sends the first of two frames of a message, and closes.
func serve(listener net.Listener) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return err
	}
	accept := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(accept[:]))
	const half = "first half, "
	_, err = io.WriteString(conn, "\x02"+string(rune(len(half)))+half)
	return err
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for range 2 {
			if err := serve(listener); err != nil {
				log.Print(err)
			}
		}
	}()
	url := "ws://" + listener.Addr().String()
	ctx := context.Background()
	one, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	_, message, err := one.Read(ctx)
	fmt.Printf("coder:   %q %v\n", message, err)
	one.CloseNow()

	other, _, err := gorilla.DefaultDialer.Dial(url, nil)
	if err != nil {
		log.Fatal(err)
	}
	_, message, err = other.ReadMessage()
	fmt.Printf("gorilla: %q %v\n", message, err)
	other.Close()
}
EOT

seen=$(GOFLAGS=-mod=mod GOWORK=off go run . 2> err) || { cat err >&2; exit 1; }
wanted='coder:   "first half, " <nil>
gorilla: "first half, " websocket: close 1006 (abnormal closure): unexpected EOF'
echo "$seen"
[ "$seen" = "$wanted" ] || { echo "this is no longer so; it was:"; echo "$wanted"; exit 1; }
