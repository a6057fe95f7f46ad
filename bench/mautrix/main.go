// People with mautrix-go and its own encryption, in Go alone (`-tags goolm`). One JSON document a line comes in and one a line goes out, as
// with test/clients/people.mjs.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/crypto/cryptohelper"
	"maunium.net/go/mautrix/crypto/verificationhelper"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

const patience = 30 * time.Second

// What comes in.
type asked struct {
	Do       string          `json:"do"`
	Name     string          `json:"name"`
	User     string          `json:"user"`
	Password string          `json:"password"`
	Room     id.RoomID       `json:"room"`
	Event    id.EventID      `json:"event_id"`
	Content  json.RawMessage `json:"content"`
	Text     string          `json:"text"`
	Seconds  int             `json:"seconds"`
}

type answer map[string]any

// Somebody whose client stays open.
type person struct {
	client *mautrix.Client
	helper *cryptohelper.CryptoHelper
	check  *verificationhelper.VerificationHelper

	lock   sync.Mutex
	read   map[id.EventID]*event.Event
	failed map[id.EventID]string
	// Of a comparison.
	flow    id.VerificationTransactionID
	numbers []int
	ended   string
}

func (p *person) VerificationRequested(ctx context.Context, flow id.VerificationTransactionID, _ id.UserID, _ id.DeviceID) {
	go func() {
		if err := p.check.AcceptVerification(context.Background(), flow); err != nil {
			p.end("not accepted: " + err.Error())
		}
	}()
}

func (p *person) VerificationReady(context.Context, id.VerificationTransactionID, id.DeviceID, bool, bool, *verificationhelper.QRCode) {
}

func (p *person) VerificationCancelled(_ context.Context, _ id.VerificationTransactionID, code event.VerificationCancelCode, why string) {
	p.end(fmt.Sprintf("%s: %s", code, why))
}

func (p *person) VerificationDone(context.Context, id.VerificationTransactionID, event.VerificationMethod) {
	p.end("done")
}

func (p *person) ShowSAS(_ context.Context, flow id.VerificationTransactionID, _ []rune, _ []string, numbers []int) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.flow, p.numbers = flow, numbers
}

func (p *person) end(how string) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.ended = how
}

// until looks whether something is so, as long as there is patience.
func (p *person) until(seconds int, is func() bool) bool {
	limit := patience
	if seconds > 0 {
		limit = time.Duration(seconds) * time.Second
	}
	for begun := time.Now(); time.Since(begun) < limit; time.Sleep(20 * time.Millisecond) {
		p.lock.Lock()
		held := is()
		p.lock.Unlock()
		if held {
			return true
		}
	}
	return false
}

func enter(ctx context.Context, base string, it asked) (*person, answer, error) {
	client, err := mautrix.NewClient(base, "", "")
	if err != nil {
		return nil, nil, err
	}
	_, err = client.Login(ctx, &mautrix.ReqLogin{
		Type:             mautrix.AuthTypePassword,
		Identifier:       mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: it.User},
		Password:         it.Password,
		StoreCredentials: true,
	})
	if err != nil {
		return nil, nil, err
	}
	client.StateStore = mautrix.NewMemoryStateStore()
	syncer := mautrix.NewDefaultSyncer()
	client.Syncer = syncer
	syncer.OnEvent(client.StateStoreSyncHandler)
	helper, err := cryptohelper.NewCryptoHelper(client, []byte("nobody's"), crypto.NewMemoryStore(nil))
	if err != nil {
		return nil, nil, err
	}
	p := &person{client: client, helper: helper, read: map[id.EventID]*event.Event{}, failed: map[id.EventID]string{}}
	helper.DecryptErrorCallback = func(it *event.Event, err error) {
		p.lock.Lock()
		defer p.lock.Unlock()
		p.failed[it.ID] = err.Error()
	}
	if err = helper.Init(ctx); err != nil {
		return nil, nil, err
	}
	client.Crypto = helper
	mach := helper.Machine()
	// As the specification has had it since 2025: to devices alone that their owner has signed.
	mach.SendKeysMinTrust = id.TrustStateCrossSignedTOFU
	if _, _, err = mach.GenerateAndUploadCrossSigningKeysWithPassword(ctx, it.Password, ""); err != nil {
		return nil, nil, err
	}
	if err = mach.SignOwnDevice(ctx, mach.OwnIdentity()); err != nil {
		return nil, nil, err
	}
	if err = mach.SignOwnMasterKey(ctx); err != nil {
		return nil, nil, err
	}
	p.check = verificationhelper.NewVerificationHelper(client, mach, nil, p, false, false, true)
	if err = p.check.Init(ctx); err != nil {
		return nil, nil, err
	}
	syncer.OnEventType(event.EventMessage, func(_ context.Context, it *event.Event) {
		p.lock.Lock()
		defer p.lock.Unlock()
		p.read[it.ID] = it
	})
	// Whoever wants to compare asks in the direct room.
	syncer.OnEventType(event.StateMember, func(_ context.Context, it *event.Event) {
		if it.GetStateKey() == client.UserID.String() && it.Content.AsMember().Membership == event.MembershipInvite && it.Content.AsMember().IsDirect {
			_, _ = client.JoinRoomByID(ctx, it.RoomID)
		}
	})
	go func() {
		for ctx.Err() == nil {
			_ = client.SyncWithContext(ctx)
		}
	}()
	return p, answer{"user_id": client.UserID, "device_id": client.DeviceID}, nil
}

func (p *person) say(ctx context.Context, it asked) (answer, error) {
	sent, err := p.client.SendMessageEvent(ctx, it.Room, event.EventMessage, it.Content)
	if err != nil {
		return nil, err
	}
	return answer{"event_id": sent.EventID}, nil
}

func (p *person) reads(it asked) (answer, error) {
	var found *event.Event
	var why string
	p.until(it.Seconds, func() bool {
		found, why = p.read[it.Event], p.failed[it.Event]
		return found != nil || why != ""
	})
	switch {
	case found != nil:
		return answer{"content": found.Content.Raw, "encrypted": found.Mautrix.WasEncrypted}, nil
	case why != "":
		return answer{"failed": why}, nil
	}
	return nil, errors.New("it did not come")
}

// Sends a file and answers with the event.
func (p *person) give(ctx context.Context, it asked) (answer, error) {
	file := attachment.NewEncryptedFile()
	sealed := file.Encrypt([]byte(it.Text))
	put, err := p.client.UploadBytes(ctx, sealed, "application/octet-stream")
	if err != nil {
		return nil, err
	}
	content := &event.MessageEventContent{
		MsgType: event.MsgFile, Body: "given.txt",
		File: &event.EncryptedFileInfo{EncryptedFile: *file, URL: put.ContentURI.CUString()},
		Info: &event.FileInfo{MimeType: "text/plain", Size: len(it.Text)},
	}
	sent, err := p.client.SendMessageEvent(ctx, it.Room, event.EventMessage, content)
	if err != nil {
		return nil, err
	}
	return answer{"event_id": sent.EventID}, nil
}

// What is in the file of an event.
func (p *person) fetch(ctx context.Context, it asked) (answer, error) {
	if _, err := p.reads(it); err != nil {
		return nil, err
	}
	p.lock.Lock()
	found := p.read[it.Event]
	p.lock.Unlock()
	if found == nil {
		return nil, errors.New("it cannot be read")
	}
	file := found.Content.AsMessage().File
	if file == nil {
		return nil, errors.New("it has no sealed file")
	}
	from, err := file.URL.Parse()
	if err != nil {
		return nil, err
	}
	sealed, err := p.client.DownloadBytes(ctx, from)
	if err != nil {
		return nil, err
	}
	text, err := file.Decrypt(sealed)
	if err != nil {
		return nil, err
	}
	return answer{"text": string(text)}, nil
}

// What both are to compare; whoever asked begins.
func (p *person) compare(it asked) (answer, error) {
	if !p.until(it.Seconds, func() bool { return p.numbers != nil || p.ended != "" }) {
		return nil, errors.New("nothing is shown")
	}
	return answer{"decimal": p.numbers, "ended": p.ended}, nil
}

func (p *person) same(ctx context.Context) (answer, error) {
	if err := p.check.ConfirmSAS(ctx, p.flow); err != nil {
		return nil, err
	}
	if !p.until(0, func() bool { return p.ended != "" }) {
		return nil, errors.New("it does not end")
	}
	return answer{"ended": p.ended}, nil
}

func main() {
	ctx := context.Background()
	people := map[string]*person{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var it asked
		said, err := answer(nil), json.Unmarshal(lines.Bytes(), &it)
		p := people[it.Name]
		switch {
		case err != nil:
		case it.Do == "enter":
			p, said, err = enter(ctx, os.Args[1], it)
			people[it.Name] = p
		case p == nil:
			err = fmt.Errorf("nobody is %s", it.Name)
		case it.Do == "join":
			_, err = p.client.JoinRoomByID(ctx, it.Room)
			said = answer{}
		case it.Do == "leave":
			_, err = p.client.LeaveRoom(ctx, it.Room)
			said = answer{}
		case it.Do == "say":
			said, err = p.say(ctx, it)
		case it.Do == "read":
			said, err = p.reads(it)
		case it.Do == "give":
			said, err = p.give(ctx, it)
		case it.Do == "fetch":
			said, err = p.fetch(ctx, it)
		case it.Do == "compare":
			said, err = p.compare(it)
		case it.Do == "same":
			said, err = p.same(ctx)
		default:
			err = fmt.Errorf("what is %s", it.Do)
		}
		if err != nil {
			said = answer{"error": err.Error()}
		}
		_ = out.Encode(said)
	}
}
