-- All of it is in a schema of its own, so that an application may keep it in its own database.

-- One row: of which homeserver this is, and how the users of the application are called there.
CREATE TABLE relay.settings (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    server_name text NOT NULL,
    prefix text NOT NULL,
    -- Whether what is said goes to Matrix as well.
    matrix boolean NOT NULL,
    -- Up to this position it is no longer kept what has happened.
    forgotten bigint NOT NULL DEFAULT 0
);

CREATE TABLE relay.api_keys (
    id text PRIMARY KEY,
    -- SHA-256 of the key: who reads this table knows none.
    hash bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz
);

CREATE TABLE relay.users (
    id uuid PRIMARY KEY,
    matrix_user_id text NOT NULL UNIQUE,
    display_name text,
    -- One of the application, whom the relay speaks as; the others are people of Matrix.
    is_ghost boolean NOT NULL,
    -- The name that the homeserver has been told; nothing while it does not know the user.
    told_name text,
    -- Where the picture is: an address that the application gave, or of people of Matrix an mxc address.
    avatar_url text,
    -- The one whose picture the homeserver was given, and why it could not be given that of the other.
    told_avatar text,
    avatar_trouble text
);

CREATE TABLE relay.conversations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    slug text UNIQUE,
    name text,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_sequence bigint NOT NULL DEFAULT 0
);

CREATE TABLE relay.matrix_room_mappings (
    conversation_id uuid PRIMARY KEY REFERENCES relay.conversations (id) ON DELETE CASCADE,
    matrix_room_id text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE relay.participants (
    conversation_id uuid NOT NULL REFERENCES relay.conversations (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES relay.users (id),
    role text NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'moderator')),
    joined_at timestamptz NOT NULL DEFAULT now(),
    left_at timestamptz,
    -- The sequence number up to which they have read.
    read_up_to bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (conversation_id, user_id)
);
CREATE INDEX participants_of_user ON relay.participants (user_id) WHERE left_at IS NULL;

CREATE TABLE relay.messages (
    id uuid PRIMARY KEY,
    conversation_id uuid NOT NULL REFERENCES relay.conversations (id) ON DELETE CASCADE,
    -- Without a gap within the conversation.
    sequence_number bigint NOT NULL,
    sender_id uuid NOT NULL REFERENCES relay.users (id),
    kind text NOT NULL CHECK (kind IN ('text', 'notice', 'emote', 'image', 'audio', 'video', 'file')),
    plaintext_content text NOT NULL,
    -- A file: `name`, `mime`, `size`, `source` where it is fetched from an address, `url` once the homeserver has it.
    media jsonb,
    reply_to uuid REFERENCES relay.messages (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    edited_at timestamptz,
    deleted_at timestamptz,
    matrix_event_id text,
    -- Of what was said at first: tells a repeat from another message with the same id.
    fingerprint text NOT NULL,
    UNIQUE (conversation_id, sequence_number)
);
CREATE UNIQUE INDEX idx_messages_matrix_event_id ON relay.messages (matrix_event_id)
    WHERE matrix_event_id IS NOT NULL;

-- Files that came with a request, until the homeserver has them.
CREATE TABLE relay.files (
    message_id uuid PRIMARY KEY REFERENCES relay.messages (id) ON DELETE CASCADE,
    bytes bytea NOT NULL
);
-- They are no smaller afterwards.
ALTER TABLE relay.files ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE relay.reactions (
    id uuid PRIMARY KEY,
    message_id uuid NOT NULL REFERENCES relay.messages (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES relay.users (id),
    key text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    matrix_event_id text,
    UNIQUE (message_id, user_id, key)
);
CREATE UNIQUE INDEX reactions_event ON relay.reactions (matrix_event_id) WHERE matrix_event_id IS NOT NULL;

-- What is still to be told to the homeserver. Within a conversation the ids are in the order of the commits:
-- whoever adds one holds the conversation's row.
CREATE TABLE relay.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conversation_id uuid NOT NULL REFERENCES relay.conversations (id) ON DELETE CASCADE,
    kind text NOT NULL
        CHECK (kind IN ('message', 'edit', 'redaction', 'reaction', 'unreaction', 'join', 'leave', 'receipt')),
    user_id uuid NOT NULL REFERENCES relay.users (id),
    -- The message that it is, or is about; of a reaction its own id stands in the content.
    message_id uuid,
    content jsonb NOT NULL DEFAULT '{}',
    -- The transaction id at the homeserver, and the mark by which the event is found there.
    operation uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Set where the homeserver has refused it for good.
    refused_at timestamptz,
    reason text
);
CREATE INDEX outbox_waiting ON relay.outbox (conversation_id, id) WHERE refused_at IS NULL;

-- The events of Matrix that were taken, so that each is taken once.
CREATE TABLE relay.inbox (
    event_id text PRIMARY KEY,
    transaction_id text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX inbox_by_age ON relay.inbox (received_at);

-- What has happened and has no position yet: whoever commits later may have begun earlier, and who reads along
-- by position would miss it. Within a conversation the ids are in the order of the commits.
CREATE TABLE relay.unread (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conversation_id uuid NOT NULL REFERENCES relay.conversations (id) ON DELETE CASCADE,
    operation uuid NOT NULL UNIQUE,
    type text NOT NULL,
    document jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- What has happened, in one order for all who read along. `operation` makes a repeat harmless.
CREATE TABLE relay.events (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conversation_id uuid NOT NULL REFERENCES relay.conversations (id) ON DELETE CASCADE,
    operation uuid NOT NULL UNIQUE,
    type text NOT NULL,
    document jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX events_of_conversation ON relay.events (conversation_id, position);
