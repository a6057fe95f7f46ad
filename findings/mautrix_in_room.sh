#!/usr/bin/env bash
# The guess: a bot with mautrix-go can be compared with in the direct room, where clients ask since verification moved into rooms: its
# helper has handlers for all the events of that.
# The truth: it accepts the request, and then looks for every later event by that event's own id instead of the request's, finds
# nothing and says nothing. Who asked waits until it is too late. Asked by to-device messages it answers as it should.
# Version: mautrix-go 0.32.0, with its encryption in Go alone.
# Source: https://spec.matrix.org/latest/client-server-api/#key-verification-framework and a run. Fails if that changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'chmod -R u+w -- "$folder"; rm -rf -- "$folder"' EXIT
cd -- "$folder"

cat >main.go <<'GO'
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/cryptohelper"
	"maunium.net/go/mautrix/crypto/verificationhelper"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// A homeserver that takes everything and notes what is sent.
type server struct{ sent []string }

func (s *server) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method == http.MethodPut {
		for _, part := range strings.Split(request.URL.Path, "/") {
			if strings.HasPrefix(part, "m.key.verification.") {
				s.sent = append(s.sent, strings.TrimPrefix(part, "m.key.verification."))
			}
		}
	}
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Request: request,
		Body: io.NopCloser(strings.NewReader(`{"event_id": "$ours"}`)),
	}, nil
}

type accepting struct{ flow chan id.VerificationTransactionID }

func (a accepting) VerificationRequested(_ context.Context, flow id.VerificationTransactionID, _ id.UserID, _ id.DeviceID) {
	a.flow <- flow
}
func (accepting) VerificationReady(context.Context, id.VerificationTransactionID, id.DeviceID, bool, bool, *verificationhelper.QRCode) {
}
func (accepting) VerificationCancelled(context.Context, id.VerificationTransactionID, event.VerificationCancelCode, string) {
}
func (accepting) VerificationDone(context.Context, id.VerificationTransactionID, event.VerificationMethod) {
}
func (accepting) ShowSAS(context.Context, id.VerificationTransactionID, []rune, []string, []int) {
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// What the helper sends when it is asked in this way and accepts.
func sends(inRoom bool) string {
	const bot, person, room = id.UserID("@bot:x"), id.UserID("@person:x"), "!direct:x"
	ctx, noted := context.Background(), &server{}
	client, err := mautrix.NewClient("http://homeserver", bot, "token")
	must(err)
	client.DeviceID, client.Client = "BOT", &http.Client{Transport: noted}
	client.StateStore = mautrix.NewMemoryStateStore()
	syncer := mautrix.NewDefaultSyncer()
	client.Syncer = syncer
	store := crypto.NewMemoryStore(nil)
	must(store.PutDevice(ctx, person, &id.Device{UserID: person, DeviceID: "PHONE", IdentityKey: "key", SigningKey: "key"}))
	keys, err := cryptohelper.NewCryptoHelper(client, []byte("nobody's"), store)
	must(err)
	must(keys.Init(ctx))
	client.Crypto = keys
	it := accepting{make(chan id.VerificationTransactionID, 1)}
	helper := verificationhelper.NewVerificationHelper(client, keys.Machine(), nil, it, false, false, true)
	must(helper.Init(ctx))

	hear := func(name string, content map[string]any) {
		said := map[string]any{"type": name, "sender": person, "content": content}
		sync := map[string]any{"to_device": map[string]any{"events": []any{said}}}
		if inRoom {
			said["event_id"], said["origin_server_ts"] = "$"+name, time.Now().UnixMilli()
			timeline := map[string]any{"timeline": map[string]any{"events": []any{said}}}
			sync = map[string]any{"rooms": map[string]any{"join": map[string]any{room: timeline}}}
		}
		text, err := json.Marshal(sync)
		must(err)
		var response mautrix.RespSync
		must(json.Unmarshal(text, &response))
		must(syncer.ProcessResponse(ctx, &response, "since"))
	}
	request := map[string]any{"from_device": "PHONE", "methods": []string{"m.sas.v1"}, "timestamp": time.Now().UnixMilli()}
	start := map[string]any{
		"from_device": "PHONE", "method": "m.sas.v1", "hashes": []string{"sha256"},
		"key_agreement_protocols":       []string{"curve25519-hkdf-sha256"},
		"message_authentication_codes":  []string{"hkdf-hmac-sha256.v2"},
		"short_authentication_string":   []string{"decimal", "emoji"},
	}
	if inRoom {
		request["msgtype"], request["body"], request["to"] = "m.key.verification.request", "a request", bot
		start["m.relates_to"] = map[string]any{"rel_type": "m.reference", "event_id": "$m.room.message"}
		hear("m.room.message", request)
	} else {
		request["transaction_id"], start["transaction_id"] = "flow", "flow"
		hear("m.key.verification.request", request)
	}
	must(helper.AcceptVerification(ctx, <-it.flow))
	hear("m.key.verification.start", start)
	return strings.Join(noted.sent, " ")
}

func main() {
	direct, inRoom := sends(false), sends(true)
	fmt.Printf("mautrix-go %s: asked by to-device messages it sends: %s; in a room: %s\n", mautrix.Version, direct, inRoom)
	if direct != "ready accept" || inRoom != "ready" {
		os.Exit(1)
	}
}
GO
cat >go.mod <<'MOD'
module asked

go 1.25
MOD
export GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0
go get maunium.net/go/mautrix@v0.32.0 2>/dev/null
go run -tags goolm .
