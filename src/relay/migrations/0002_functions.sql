-- What an application does, each in one statement, which may be part of a transaction of its own. Codes of
-- errors: RL400 cannot be, RL403 may not, RL404 is not there, RL409 is another one, RL410 is gone.

CREATE FUNCTION relay.ms(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    $$ SELECT (extract(epoch FROM at) * 1000)::bigint $$;

CREATE FUNCTION relay.message_document(m relay.messages) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'id', m.id, 'conversation_id', m.conversation_id, 'sequence_number', m.sequence_number,
        'sender_id', m.sender_id, 'kind', m.kind, 'plaintext', m.plaintext_content, 'media', m.media,
        'reply_to', m.reply_to, 'created_at_ms', relay.ms(m.created_at),
        'edited_at_ms', relay.ms(m.edited_at), 'deleted_at_ms', relay.ms(m.deleted_at),
        'matrix_event_id', m.matrix_event_id)
$$;

-- What the homeserver is told of a message.
CREATE FUNCTION relay.told_of(m relay.messages) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('body', m.plaintext_content, 'kind', m.kind, 'media', m.media, 'reply_to', m.reply_to)
$$;

-- Takes the conversation's row until the transaction ends: all that happens in it has one order.
CREATE FUNCTION relay.hold(conversation uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM relay.conversations c WHERE c.id = conversation FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no conversation %', conversation USING ERRCODE = 'RL404';
    END IF;
END $$;

-- The message as it is, with its conversation held.
CREATE FUNCTION relay.hold_message(message uuid) RETURNS relay.messages LANGUAGE plpgsql AS $$
DECLARE
    held relay.messages;
    conversation uuid;
BEGIN
    SELECT m.conversation_id INTO conversation FROM relay.messages m WHERE m.id = message;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no message %', message USING ERRCODE = 'RL404';
    END IF;
    PERFORM relay.hold(conversation);
    SELECT * INTO held FROM relay.messages m WHERE m.id = message;
    RETURN held;
END $$;

CREATE FUNCTION relay.require_participant(conversation uuid, who uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM relay.participants p
        WHERE p.conversation_id = conversation AND p.user_id = who AND p.left_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% does not take part in the conversation %', who, conversation
            USING ERRCODE = 'RL403';
    END IF;
END $$;

-- Writes down what has happened and, unless it comes from there, what the homeserver is to be told. Who does not want
-- that said aloud says it after the commit.
CREATE FUNCTION relay.note(
    conversation uuid, operation uuid, type text, document jsonb,
    tell text DEFAULT NULL, who uuid DEFAULT NULL, message uuid DEFAULT NULL, content jsonb DEFAULT '{}',
    aloud boolean DEFAULT true
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO relay.unread (conversation_id, operation, type, document)
        VALUES (conversation, operation, type, document);
    IF tell IS NOT NULL AND (SELECT s.matrix FROM relay.settings s) THEN
        INSERT INTO relay.outbox (conversation_id, kind, user_id, message_id, content, operation)
            VALUES (conversation, tell, who, message, content, operation);
    END IF;
    IF aloud THEN
        PERFORM pg_notify('relay', conversation::text);
    END IF;
END $$;

-- Gives what has happened its positions. One at a time, until it has committed: no position is seen before a lower one.
CREATE FUNCTION relay.publish() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    published bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(1919247468, 1);
    WITH gone AS (DELETE FROM relay.unread RETURNING *)
    INSERT INTO relay.events (conversation_id, operation, type, document, created_at)
        SELECT conversation_id, operation, type, document, created_at FROM gone ORDER BY id
        -- Whoever chooses the id of a message may choose one that is taken: that keeps nothing back.
        ON CONFLICT (operation) DO NOTHING;
    GET DIAGNOSTICS published = ROW_COUNT;
    IF published > 0 THEN
        PERFORM pg_notify('relay_read', '');
    END IF;
    RETURN published;
END $$;

-- Whether the homeserver is to be given another picture, or none.
CREATE FUNCTION relay.looks_different(u relay.users) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT u.avatar_trouble IS NULL AND coalesce(u.avatar_url, '') <> coalesce(u.told_avatar, '')
$$;

CREATE FUNCTION relay.user_document(u relay.users) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('user_id', u.id, 'name', u.display_name, 'avatar_url', u.avatar_url,
        'avatar_trouble', u.avatar_trouble, 'matrix_user_id', u.matrix_user_id, 'of_matrix', NOT u.is_ghost)
$$;

-- A user of the application, made known or given another name or picture; an empty address takes that away.
-- People of Matrix name themselves.
CREATE FUNCTION relay.put_user(who uuid, name text DEFAULT NULL, avatar text DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
    WITH put AS (
        INSERT INTO relay.users AS u (id, matrix_user_id, display_name, avatar_url, is_ghost)
            SELECT who, '@' || s.prefix || '-' || replace(who::text, '-', '') || ':' || s.server_name,
                put_user.name, nullif(put_user.avatar, ''), true
            FROM relay.settings s
        ON CONFLICT (id) DO UPDATE SET display_name = coalesce(put_user.name, u.display_name),
            avatar_url = CASE WHEN put_user.avatar IS NULL THEN u.avatar_url ELSE nullif(put_user.avatar, '') END,
            -- Who says it once more wants it tried once more.
            avatar_trouble = CASE WHEN put_user.avatar IS NULL THEN u.avatar_trouble END
            WHERE u.is_ghost AND (put_user.name IS NOT NULL AND put_user.name IS DISTINCT FROM u.display_name
                OR put_user.avatar IS NOT NULL AND (u.avatar_trouble IS NOT NULL
                    OR nullif(put_user.avatar, '') IS DISTINCT FROM u.avatar_url))
        RETURNING id
    )
    SELECT pg_notify('relay_user', put.id::text) FROM put
$$;

CREATE FUNCTION relay.put_participant(
    conversation uuid, who uuid, as_role text DEFAULT 'member', from_matrix boolean DEFAULT false
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    changed boolean;
BEGIN
    PERFORM relay.hold(conversation);
    INSERT INTO relay.participants AS p (conversation_id, user_id, role) VALUES (conversation, who, as_role)
        ON CONFLICT (conversation_id, user_id) DO UPDATE SET left_at = NULL, joined_at = now(), role = as_role
        WHERE p.left_at IS NOT NULL
        RETURNING true INTO changed;
    IF changed THEN
        PERFORM relay.note(conversation, gen_random_uuid(), 'participant.joined',
            jsonb_build_object('user_id', who, 'role', as_role),
            CASE WHEN NOT from_matrix THEN 'join' END, who);
    END IF;
    RETURN coalesce(changed, false);
END $$;

CREATE FUNCTION relay.remove_participant(
    conversation uuid, who uuid, from_matrix boolean DEFAULT false
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    changed boolean;
BEGIN
    PERFORM relay.hold(conversation);
    UPDATE relay.participants p SET left_at = now()
        WHERE p.conversation_id = conversation AND p.user_id = who AND p.left_at IS NULL
        RETURNING true INTO changed;
    IF changed THEN
        PERFORM relay.note(conversation, gen_random_uuid(), 'participant.left',
            jsonb_build_object('user_id', who), CASE WHEN NOT from_matrix THEN 'leave' END, who);
    END IF;
    RETURN coalesce(changed, false);
END $$;

CREATE FUNCTION relay.post_message(
    conversation uuid, sender uuid, body text, message uuid DEFAULT gen_random_uuid(),
    as_kind text DEFAULT 'text', answers uuid DEFAULT NULL, file jsonb DEFAULT NULL,
    event text DEFAULT NULL, at timestamptz DEFAULT now(), aloud boolean DEFAULT true
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    made relay.messages;
    next bigint;
    said text := relay.fingerprint(conversation, sender, body, as_kind, answers, file);
    document jsonb;
BEGIN
    UPDATE relay.conversations c SET last_sequence = c.last_sequence + 1 WHERE c.id = conversation
        RETURNING c.last_sequence INTO next;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no conversation %', conversation USING ERRCODE = 'RL404';
    END IF;
    SELECT * INTO made FROM relay.messages m WHERE m.id = message;
    IF FOUND THEN
        IF made.fingerprint <> said THEN
            RAISE EXCEPTION 'the id of this message is that of another one' USING ERRCODE = 'RL409';
        END IF;
        UPDATE relay.conversations c SET last_sequence = next - 1 WHERE c.id = conversation;
        RETURN relay.message_document(made);
    END IF;
    PERFORM relay.require_participant(conversation, sender);
    IF answers IS NOT NULL THEN
        PERFORM 1 FROM relay.messages m WHERE m.id = answers AND m.conversation_id = conversation;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'there is no message % in the conversation', answers USING ERRCODE = 'RL404';
        END IF;
    END IF;
    INSERT INTO relay.messages (id, conversation_id, sequence_number, sender_id, kind, plaintext_content,
            media, reply_to, created_at, matrix_event_id, fingerprint)
        VALUES (message, conversation, next, sender, as_kind, body, file, answers, at, event, said)
        RETURNING * INTO made;
    document := relay.message_document(made);
    PERFORM relay.note(conversation, message, 'message.new', document,
        CASE WHEN event IS NULL THEN 'message' END, sender, message, relay.told_of(made), aloud);
    RETURN document;
END $$;

-- What tells a repeat from another message with the same id.
CREATE FUNCTION relay.fingerprint(
    conversation uuid, sender uuid, body text, kind text, answers uuid, file jsonb
) RETURNS text LANGUAGE sql STABLE AS
    $$ SELECT md5(jsonb_build_array(conversation, sender, body, kind, answers, file)::text) $$;

-- Events of Matrix in their order, many in one statement, each once. `mark` is of what was sent from here and comes
-- back: the message, or with `is_reaction` the reaction, that has the event. `who` says something: `id` is of the
-- message. With neither the event is only noted. None may change, answer or take away another of them. How many there
-- were, which of them are new, and in which conversations something happened.
CREATE FUNCTION relay.take_events(
    transaction text, given jsonb, OUT here bigint, OUT fresh bigint, OUT conversations uuid[]
) LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    WITH known AS (
        SELECT g.n, g.one, g.one ->> 'event' AS event, r.conversation_id
        FROM jsonb_array_elements(given) WITH ORDINALITY AS g (one, n)
        JOIN relay.matrix_room_mappings r ON r.matrix_room_id = g.one ->> 'room'
    ), noted AS (
        INSERT INTO relay.inbox (event_id, transaction_id) SELECT k.event, transaction FROM known k ORDER BY k.n
        ON CONFLICT DO NOTHING RETURNING event_id
    )
    SELECT (SELECT count(*) FROM known), count(*),
        jsonb_agg(k.one || jsonb_build_object('n', k.n, 'conversation', k.conversation_id) ORDER BY k.n)
    INTO here, fresh, given FROM noted JOIN known k ON k.event = noted.event_id;

    UPDATE relay.messages m SET matrix_event_id = g.event
        FROM jsonb_to_recordset(given) AS g (event text, mark uuid, is_reaction boolean)
        WHERE g.mark = m.id AND NOT g.is_reaction AND m.matrix_event_id IS NULL;
    UPDATE relay.reactions m SET matrix_event_id = g.event
        FROM jsonb_to_recordset(given) AS g (event text, mark uuid, is_reaction boolean)
        WHERE g.mark = m.id AND g.is_reaction AND m.matrix_event_id IS NULL;

    SELECT array_agg(c.id) INTO conversations FROM (
        SELECT c.id FROM relay.conversations c WHERE c.id IN (
            SELECT g.conversation FROM jsonb_to_recordset(given) AS g (conversation uuid, who uuid)
            WHERE g.who IS NOT NULL)
        ORDER BY c.id FOR NO KEY UPDATE) c;
    IF conversations IS NULL THEN
        conversations := '{}';
        RETURN;
    END IF;
    -- Who speaks in the room is in it.
    FOR one IN
        SELECT g.conversation, g.who, g.stranger
        FROM jsonb_to_recordset(given) AS g (n int, conversation uuid, who uuid, stranger text)
        WHERE g.who IS NOT NULL AND NOT EXISTS (SELECT FROM relay.participants p
            WHERE p.conversation_id = g.conversation AND p.user_id = g.who AND p.left_at IS NULL)
        GROUP BY g.conversation, g.who, g.stranger ORDER BY min(g.n)
    LOOP
        IF one.stranger IS NULL THEN
            PERFORM relay.put_user(one.who);
        ELSE
            INSERT INTO relay.users (id, matrix_user_id, is_ghost) VALUES (one.who, one.stranger, false)
                ON CONFLICT DO NOTHING;
        END IF;
        PERFORM relay.put_participant(one.conversation, one.who, 'member', true);
    END LOOP;

    WITH said AS (
        SELECT g.*, a.id AS answers, row_number() OVER (PARTITION BY g.conversation ORDER BY g.n) AS place
        FROM jsonb_to_recordset(given) AS g (n int, event text, conversation uuid, who uuid, id uuid, kind text,
            body text, file jsonb, at float8, reply_to text)
        LEFT JOIN relay.messages a ON a.matrix_event_id = g.reply_to AND a.conversation_id = g.conversation
        WHERE g.who IS NOT NULL
    ), counted AS (
        UPDATE relay.conversations c SET last_sequence = c.last_sequence + s.many
        FROM (SELECT conversation, count(*) AS many FROM said GROUP BY conversation) s
        WHERE c.id = s.conversation
        RETURNING c.id, c.last_sequence - s.many AS before
    ), made AS (
        INSERT INTO relay.messages AS m (id, conversation_id, sequence_number, sender_id, kind, plaintext_content,
            media, reply_to, created_at, matrix_event_id, fingerprint)
        SELECT s.id, s.conversation, c.before + s.place, s.who, s.kind, s.body, s.file, s.answers,
            to_timestamp(s.at / 1000), s.event,
            relay.fingerprint(s.conversation, s.who, s.body, s.kind, s.answers, s.file)
        FROM said s JOIN counted c ON c.id = s.conversation ORDER BY s.n
        RETURNING m AS message
    )
    INSERT INTO relay.unread (conversation_id, operation, type, document)
        SELECT (made.message).conversation_id, (made.message).id, 'message.new', relay.message_document(made.message)
        FROM made ORDER BY (made.message).conversation_id, (made.message).sequence_number;
END $$;

CREATE FUNCTION relay.edit_message(
    message uuid, editor uuid, body text, operation uuid DEFAULT gen_random_uuid(),
    from_matrix boolean DEFAULT false
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    made relay.messages;
    document jsonb;
BEGIN
    made := relay.hold_message(message);
    SELECT e.document INTO document FROM (
        SELECT u.operation, u.document FROM relay.unread u UNION ALL SELECT v.operation, v.document FROM relay.events v
    ) e WHERE e.operation = edit_message.operation;
    IF FOUND THEN
        IF made.deleted_at IS NULL AND document->>'plaintext' IS DISTINCT FROM body THEN
            RAISE EXCEPTION 'this was an edit with another text' USING ERRCODE = 'RL409';
        END IF;
        RETURN relay.message_document(made);
    END IF;
    IF made.deleted_at IS NOT NULL THEN
        RAISE EXCEPTION 'the message % was deleted', message USING ERRCODE = 'RL410';
    END IF;
    IF made.sender_id <> editor THEN
        RAISE EXCEPTION 'only its sender edits a message' USING ERRCODE = 'RL403';
    END IF;
    PERFORM relay.require_participant(made.conversation_id, editor);
    UPDATE relay.messages m SET plaintext_content = body, edited_at = now() WHERE m.id = message
        RETURNING * INTO made;
    document := relay.message_document(made);
    PERFORM relay.note(made.conversation_id, operation, 'message.edited', document,
        CASE WHEN NOT from_matrix THEN 'edit' END, editor, message, relay.told_of(made));
    RETURN document;
END $$;

CREATE FUNCTION relay.delete_message(
    message uuid, who uuid, operation uuid DEFAULT gen_random_uuid(), from_matrix boolean DEFAULT false
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    made relay.messages;
    document jsonb;
BEGIN
    made := relay.hold_message(message);
    IF made.deleted_at IS NOT NULL THEN
        RETURN relay.message_document(made);
    END IF;
    -- Who may do so in the room has been decided where it comes from there.
    IF made.sender_id <> who AND NOT from_matrix THEN
        PERFORM 1 FROM relay.participants p WHERE p.conversation_id = made.conversation_id AND p.user_id = who
            AND p.left_at IS NULL AND p.role = 'moderator';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'only its sender or a moderator deletes a message' USING ERRCODE = 'RL403';
        END IF;
    END IF;
    UPDATE relay.messages m SET plaintext_content = '', media = NULL, deleted_at = now()
        WHERE m.id = message RETURNING * INTO made;
    DELETE FROM relay.files f WHERE f.message_id = message;
    -- What waits, was refused or can be read again by position is gone too.
    UPDATE relay.outbox o SET content = '{"deleted": true}' WHERE o.conversation_id = made.conversation_id
        AND o.message_id = message AND o.kind IN ('message', 'edit');
    UPDATE relay.unread e SET document = e.document || '{"plaintext": "", "media": null}'
        WHERE e.conversation_id = made.conversation_id AND e.document->>'id' = message::text;
    UPDATE relay.events e SET document = e.document || '{"plaintext": "", "media": null}'
        WHERE e.conversation_id = made.conversation_id AND e.document->>'id' = message::text;
    document := relay.message_document(made);
    PERFORM relay.note(made.conversation_id, operation, 'message.deleted', document,
        CASE WHEN NOT from_matrix THEN 'redaction' END, who, message,
        jsonb_build_object('edited', made.edited_at IS NOT NULL,
            'sender', (SELECT u.matrix_user_id FROM relay.users u WHERE u.id = made.sender_id)));
    RETURN document;
END $$;

CREATE FUNCTION relay.add_reaction(
    message uuid, who uuid, emoji text, event text DEFAULT NULL
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    about relay.messages;
    made uuid := gen_random_uuid();
BEGIN
    about := relay.hold_message(message);
    IF about.deleted_at IS NOT NULL THEN
        RAISE EXCEPTION 'the message % was deleted', message USING ERRCODE = 'RL410';
    END IF;
    PERFORM relay.require_participant(about.conversation_id, who);
    INSERT INTO relay.reactions (id, message_id, user_id, key, matrix_event_id)
        VALUES (made, message, who, emoji, event) ON CONFLICT (message_id, user_id, key) DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM relay.note(about.conversation_id, made, 'reaction.added',
        jsonb_build_object('message_id', message, 'user_id', who, 'key', emoji),
        CASE WHEN event IS NULL THEN 'reaction' END, who, message,
        jsonb_build_object('key', emoji, 'reaction', made));
    RETURN true;
END $$;

CREATE FUNCTION relay.remove_reaction(
    message uuid, who uuid, emoji text, from_matrix boolean DEFAULT false
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    about relay.messages;
    gone relay.reactions;
BEGIN
    about := relay.hold_message(message);
    DELETE FROM relay.reactions r WHERE r.message_id = message AND r.user_id = who AND r.key = emoji
        RETURNING * INTO gone;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM relay.note(about.conversation_id, gen_random_uuid(), 'reaction.removed',
        jsonb_build_object('message_id', message, 'user_id', who, 'key', emoji),
        CASE WHEN NOT from_matrix THEN 'unreaction' END, who, message,
        jsonb_build_object('event', gone.matrix_event_id, 'reaction', gone.id));
    RETURN true;
END $$;

-- Whether they had not read as far before.
CREATE FUNCTION relay.mark_read(
    message uuid, who uuid, from_matrix boolean DEFAULT false
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    about relay.messages;
BEGIN
    about := relay.hold_message(message);
    PERFORM relay.require_participant(about.conversation_id, who);
    UPDATE relay.participants p SET read_up_to = about.sequence_number
        WHERE p.conversation_id = about.conversation_id AND p.user_id = who
            AND p.read_up_to < about.sequence_number;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- Only the last one counts.
    DELETE FROM relay.outbox o WHERE o.conversation_id = about.conversation_id AND o.user_id = who
        AND o.kind = 'receipt' AND o.refused_at IS NULL;
    PERFORM relay.note(about.conversation_id, gen_random_uuid(), 'receipt',
        jsonb_build_object('message_id', message, 'user_id', who, 'read_up_to', about.sequence_number),
        CASE WHEN NOT from_matrix THEN 'receipt' END, who, message);
    RETURN true;
END $$;

-- What is not kept: who is typing, who is there. `tell` is what the homeserver is told.
CREATE FUNCTION relay.aside(
    conversation uuid, type text, document jsonb, tell boolean
) RETURNS void LANGUAGE sql AS $$
    SELECT pg_notify('relay_aside', jsonb_build_object('conversation_id', conversation, 'type', type,
        'document', document, 'tell', tell)::text)
$$;

-- Tells the homeserver what the application's users have said and it has not: what was said before it was asked to,
-- or was told to a room that is no longer the conversation's. How much that is.
CREATE FUNCTION relay.tell_again(conversation uuid) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    told bigint;
BEGIN
    PERFORM relay.hold(conversation);
    INSERT INTO relay.outbox (conversation_id, kind, user_id, message_id, content, operation, created_at)
        SELECT m.conversation_id, 'message', m.sender_id, m.id, relay.told_of(m), m.id, m.created_at
        FROM relay.messages m JOIN relay.users u ON u.id = m.sender_id AND u.is_ghost
        WHERE m.conversation_id = conversation AND m.matrix_event_id IS NULL AND m.deleted_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM relay.outbox o WHERE o.message_id = m.id AND o.kind = 'message')
        ORDER BY m.sequence_number;
    GET DIAGNOSTICS told = ROW_COUNT;
    IF told > 0 THEN
        PERFORM pg_notify('relay', conversation::text);
    END IF;
    RETURN told;
END $$;

-- The same wherever somebody takes part.
CREATE FUNCTION relay.is_present(who uuid, presence text, status text) RETURNS void LANGUAGE sql AS $$
    SELECT relay.aside(p.conversation_id, 'presence',
        jsonb_build_object('user_id', who, 'presence', presence, 'status', status), false)
    FROM relay.participants p WHERE p.user_id = who AND p.left_at IS NULL
$$;

-- Forgets what has happened, and which events of Matrix were taken, longer ago than that; not all at once. How much
-- that is.
CREATE FUNCTION relay.forget(age interval, most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    events bigint;
    taken bigint;
BEGIN
    WITH oldest AS (SELECT position, created_at FROM relay.events ORDER BY position LIMIT most),
    gone AS (DELETE FROM relay.events WHERE position IN
        (SELECT position FROM oldest WHERE created_at < now() - age) RETURNING position),
    noted AS (UPDATE relay.settings SET forgotten = greatest(forgotten, (SELECT max(position) FROM gone))
        WHERE EXISTS (SELECT 1 FROM gone))
    SELECT count(*) INTO events FROM gone;
    DELETE FROM relay.inbox WHERE event_id IN (SELECT event_id FROM relay.inbox
        WHERE received_at < now() - age ORDER BY received_at LIMIT most);
    GET DIAGNOSTICS taken = ROW_COUNT;
    RETURN events + taken;
END $$;
