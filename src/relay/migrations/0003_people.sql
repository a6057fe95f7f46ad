-- Who takes part, as what, what is forgotten together with a room, and what may be said.

ALTER TABLE relay.outbox DROP CONSTRAINT outbox_kind_check, ADD CONSTRAINT outbox_kind_check CHECK
    (kind IN ('message', 'edit', 'redaction', 'reaction', 'unreaction', 'join', 'leave', 'role', 'receipt'));

-- As before; only users of the application are spoken for, and only what a room has place for.
CREATE OR REPLACE FUNCTION relay.note(
    conversation uuid, operation uuid, type text, document jsonb,
    tell text DEFAULT NULL, who uuid DEFAULT NULL, message uuid DEFAULT NULL, content jsonb DEFAULT '{}',
    aloud boolean DEFAULT true
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF tell NOT IN ('join', 'leave', 'role') AND EXISTS (SELECT FROM relay.users u WHERE u.id = who AND NOT u.is_ghost) THEN
        RAISE EXCEPTION '% is of Matrix: what they say and do is theirs alone', who USING ERRCODE = 'RL403';
    END IF;
    IF tell IN ('message', 'edit') THEN
        PERFORM relay.require_sayable(content);
    ELSIF tell = 'reaction' AND NOT char_length(content->>'key') BETWEEN 1 AND 255 THEN
        RAISE EXCEPTION 'the key of a reaction has 1 to 255 characters' USING ERRCODE = 'RL400';
    END IF;
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

-- A transaction of the application that stands still while it holds something of this is ended after ten seconds: until
-- then what happens may have to wait for it.
CREATE FUNCTION relay.end_when_idle() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('idle_in_transaction_session_timeout') = '0' THEN
        PERFORM set_config('idle_in_transaction_session_timeout', '10s', true);
    END IF;
END $$;

CREATE FUNCTION relay.ends_when_idle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM relay.end_when_idle();
    RETURN NULL;
END $$;

CREATE TRIGGER ends_when_idle BEFORE INSERT OR UPDATE ON relay.conversations
    FOR EACH STATEMENT EXECUTE FUNCTION relay.ends_when_idle();
CREATE TRIGGER ends_when_idle BEFORE INSERT OR UPDATE ON relay.users
    FOR EACH STATEMENT EXECUTE FUNCTION relay.ends_when_idle();

CREATE OR REPLACE FUNCTION relay.hold(conversation uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM relay.end_when_idle();
    PERFORM 1 FROM relay.conversations c WHERE c.id = conversation FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no conversation %', conversation USING ERRCODE = 'RL404';
    END IF;
END $$;

-- As before; but who is what they were already is not locked, as others may bring them in elsewhere.
CREATE OR REPLACE FUNCTION relay.put_user(who uuid, name text DEFAULT NULL, avatar text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO relay.users AS u (id, matrix_user_id, display_name, avatar_url, is_ghost)
        SELECT who, '@' || s.prefix || '-' || replace(who::text, '-', '') || ':' || s.server_name,
            put_user.name, nullif(put_user.avatar, ''), true
        FROM relay.settings s
    ON CONFLICT (id) DO NOTHING;
    IF NOT FOUND THEN
        UPDATE relay.users u SET display_name = coalesce(put_user.name, u.display_name),
            avatar_url = CASE WHEN put_user.avatar IS NULL THEN u.avatar_url ELSE nullif(put_user.avatar, '') END,
            -- Who says it once more wants it tried once more.
            avatar_trouble = CASE WHEN put_user.avatar IS NULL THEN u.avatar_trouble END
            WHERE u.id = who AND u.is_ghost
                AND (put_user.name IS NOT NULL AND put_user.name IS DISTINCT FROM u.display_name
                OR put_user.avatar IS NOT NULL AND (u.avatar_trouble IS NOT NULL
                    OR nullif(put_user.avatar, '') IS DISTINCT FROM u.avatar_url));
    END IF;
    IF FOUND THEN
        PERFORM pg_notify('relay_user', who::text);
    END IF;
END $$;

-- Refuses what no room has place for: an edit has the text twice.
CREATE FUNCTION relay.require_sayable(said jsonb) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF said->>'body' = '' THEN
        RAISE EXCEPTION 'there is no text' USING ERRCODE = 'RL400';
    END IF;
    IF octet_length((said->'body')::text) > 31560 THEN
        RAISE EXCEPTION 'the text is too long: a message of Matrix takes about 30,000 bytes' USING ERRCODE = 'RL400';
    END IF;
    IF said->>'kind' NOT IN ('text', 'notice', 'emote') AND jsonb_typeof(said->'media') IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'without a file a message is text, notice or emote' USING ERRCODE = 'RL400';
    END IF;
END $$;

-- The same of what the application's users are called and look like.
CREATE FUNCTION relay.require_presentable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (TG_OP = 'INSERT' OR NEW.display_name IS DISTINCT FROM OLD.display_name)
        AND NOT char_length(NEW.display_name) BETWEEN 1 AND 255 THEN
        RAISE EXCEPTION 'a name has 1 to 255 characters' USING ERRCODE = 'RL400';
    END IF;
    IF (TG_OP = 'INSERT' OR NEW.avatar_url IS DISTINCT FROM OLD.avatar_url)
        AND (NEW.avatar_url !~* '^https?://[^[:space:][:cntrl:]]+$' OR char_length(NEW.avatar_url) > 2000) THEN
        RAISE EXCEPTION 'a picture has an address with http:// or https:// of up to 2000 characters' USING ERRCODE = 'RL400';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER require_presentable BEFORE INSERT OR UPDATE OF display_name, avatar_url ON relay.users FOR EACH ROW
    WHEN (NEW.is_ghost) EXECUTE FUNCTION relay.require_presentable();

-- What was refused is shown with the message.
CREATE INDEX outbox_refused ON relay.outbox (message_id) WHERE refused_at IS NOT NULL;

-- As before; but what somebody has locked keeps only its own conversation back. Where there is such, it gives one less
-- than the negative of how much it published: somebody who rolls back tells nobody that it can go on.
CREATE OR REPLACE FUNCTION relay.publish() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    published bigint;
    waits boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(1919247468, 1);
    WITH free AS MATERIALIZED (SELECT u.id FROM relay.unread u FOR UPDATE SKIP LOCKED),
    kept AS MATERIALIZED (
        SELECT u.conversation_id FROM relay.unread u WHERE u.id NOT IN (SELECT f.id FROM free f)
    ), gone AS (
        DELETE FROM relay.unread u WHERE u.id IN (SELECT f.id FROM free f)
            AND u.conversation_id NOT IN (SELECT k.conversation_id FROM kept k)
        RETURNING *
    ), made AS (
        INSERT INTO relay.events (conversation_id, operation, type, document, created_at)
        SELECT conversation_id, operation, type, document, created_at FROM gone ORDER BY id
        ON CONFLICT (operation) DO NOTHING RETURNING 1
    )
    SELECT (SELECT count(*) FROM made), EXISTS (SELECT 1 FROM kept) INTO published, waits;
    IF published > 0 THEN
        PERFORM pg_notify('relay_read', '');
    END IF;
    RETURN CASE WHEN waits THEN -1 - published ELSE published END;
END $$;

-- The next positions are greater than all that were given before, in a database that was brought back from a backup too:
-- they are at least as great as the time in milliseconds.
CREATE FUNCTION relay.go_on_from_now() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    positions regclass := pg_get_serial_sequence('relay.events', 'position');
BEGIN
    PERFORM pg_advisory_xact_lock(1919247468, 1);
    PERFORM setval(positions, greatest(nextval(positions), relay.ms(clock_timestamp())));
END $$;

-- What readers are told of somebody who takes part.
CREATE FUNCTION relay.participant_document(u relay.users, role text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('user_id', u.id, 'role', role, 'name', u.display_name, 'avatar_url', u.avatar_url)
$$;

-- Who reads along where somebody takes part hears of another name or picture of theirs.
CREATE FUNCTION relay.user_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO relay.unread (conversation_id, operation, type, document)
        SELECT p.conversation_id, gen_random_uuid(), 'participant.changed', relay.participant_document(NEW, p.role)
        FROM relay.participants p WHERE p.user_id = NEW.id AND p.left_at IS NULL;
    PERFORM pg_notify('relay', '');
    RETURN NULL;
END $$;

CREATE TRIGGER user_changed AFTER UPDATE OF display_name, avatar_url ON relay.users FOR EACH ROW
    WHEN ((OLD.display_name, OLD.avatar_url) IS DISTINCT FROM (NEW.display_name, NEW.avatar_url))
    EXECUTE FUNCTION relay.user_changed();

-- Has the homeserver told what somebody is, which readers know already.
CREATE FUNCTION relay.tell_role(conversation uuid, who uuid, role text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT s.matrix FROM relay.settings s) THEN
        INSERT INTO relay.outbox (conversation_id, kind, user_id, content, operation)
            VALUES (conversation, 'role', who, jsonb_build_object('role', role), gen_random_uuid());
        PERFORM pg_notify('relay', conversation::text);
    END IF;
END $$;

-- Brings somebody in, or gives who is in another role; without one they are what they were, and at first a member.
-- Whether they came in.
CREATE OR REPLACE FUNCTION relay.put_participant(
    conversation uuid, who uuid, as_role text DEFAULT NULL, from_matrix boolean DEFAULT false
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    was text;
    known relay.users;
BEGIN
    IF as_role NOT IN ('member', 'moderator') THEN
        RAISE EXCEPTION 'there is no role %', as_role USING ERRCODE = 'RL400';
    END IF;
    PERFORM relay.hold(conversation);
    SELECT * INTO known FROM relay.users u WHERE u.id = who;
    IF known.id IS NULL THEN
        RAISE EXCEPTION 'there is no user %', who USING ERRCODE = 'RL404';
    END IF;
    SELECT p.role INTO was FROM relay.participants p
        WHERE p.conversation_id = conversation AND p.user_id = who AND p.left_at IS NULL;
    IF NOT FOUND THEN
        as_role := coalesce(as_role, 'member');
        INSERT INTO relay.participants (conversation_id, user_id, role) VALUES (conversation, who, as_role)
            ON CONFLICT (conversation_id, user_id) DO UPDATE SET left_at = NULL, joined_at = now(), role = as_role;
        PERFORM relay.note(conversation, gen_random_uuid(), 'participant.joined',
            relay.participant_document(known, as_role), CASE WHEN NOT from_matrix THEN 'join' END, who,
            content => jsonb_build_object('role', as_role));
        RETURN true;
    END IF;
    -- Matrix says who is there; what they are is for the application to say. Said once more it is told once more: in
    -- the room it may be otherwise.
    IF as_role = was AND NOT from_matrix THEN
        PERFORM relay.tell_role(conversation, who, as_role);
    ELSIF as_role <> was AND NOT from_matrix THEN
        UPDATE relay.participants p SET role = as_role
            WHERE p.conversation_id = conversation AND p.user_id = who;
        PERFORM relay.note(conversation, gen_random_uuid(), 'participant.changed',
            relay.participant_document(known, as_role), 'role', who,
            content => jsonb_build_object('role', as_role));
    END IF;
    RETURN false;
END $$;

-- As before; and who asks is told what to do.
CREATE OR REPLACE FUNCTION relay.require_participant(conversation uuid, who uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM relay.participants p
        WHERE p.conversation_id = conversation AND p.user_id = who AND p.left_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% does not take part in the conversation %: bring them in as a participant first', who, conversation
            USING ERRCODE = 'RL403';
    END IF;
END $$;

-- As before; and moderators who go leave their power behind.
CREATE OR REPLACE FUNCTION relay.remove_participant(
    conversation uuid, who uuid, from_matrix boolean DEFAULT false
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    was text;
BEGIN
    PERFORM relay.hold(conversation);
    UPDATE relay.participants p SET left_at = now()
        WHERE p.conversation_id = conversation AND p.user_id = who AND p.left_at IS NULL
        RETURNING p.role INTO was;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM relay.note(conversation, gen_random_uuid(), 'participant.left',
        jsonb_build_object('user_id', who), CASE WHEN NOT from_matrix THEN 'leave' END, who);
    IF was = 'moderator' THEN
        PERFORM relay.tell_role(conversation, who, 'member');
    END IF;
    RETURN true;
END $$;

-- Forgets the room, or only if it is this one, and the events in it: what was said is in no room then. Whether it did.
CREATE FUNCTION relay.forget_room(conversation uuid, room text DEFAULT NULL) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM relay.hold(conversation);
    DELETE FROM relay.matrix_room_mappings r
        WHERE r.conversation_id = conversation AND r.matrix_room_id = coalesce(room, r.matrix_room_id);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE relay.messages m SET matrix_event_id = NULL
        WHERE m.conversation_id = conversation AND m.matrix_event_id IS NOT NULL;
    UPDATE relay.reactions r SET matrix_event_id = NULL FROM relay.messages m
        WHERE m.id = r.message_id AND m.conversation_id = conversation AND r.matrix_event_id IS NOT NULL;
    UPDATE relay.outbox o SET content = o.content - 'event'
        WHERE o.conversation_id = conversation AND o.kind = 'unreaction';
    RETURN true;
END $$;

-- As before; and whoever takes part no more is taken out again behind what they said.
CREATE OR REPLACE FUNCTION relay.tell_again(conversation uuid) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    told bigint;
    senders uuid[];
BEGIN
    PERFORM relay.hold(conversation);
    WITH again AS (
        INSERT INTO relay.outbox (conversation_id, kind, user_id, message_id, content, operation, created_at)
        SELECT m.conversation_id, 'message', m.sender_id, m.id, relay.told_of(m), m.id, m.created_at
        FROM relay.messages m JOIN relay.users u ON u.id = m.sender_id AND u.is_ghost
        WHERE m.conversation_id = conversation AND m.matrix_event_id IS NULL AND m.deleted_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM relay.outbox o WHERE o.message_id = m.id AND o.kind = 'message')
        ORDER BY m.sequence_number
        RETURNING user_id
    )
    SELECT count(*), array_agg(DISTINCT user_id) INTO told, senders FROM again;
    INSERT INTO relay.outbox (conversation_id, kind, user_id, operation)
        SELECT conversation, 'leave', s.who, gen_random_uuid() FROM unnest(senders) AS s (who)
        WHERE NOT EXISTS (SELECT 1 FROM relay.participants p WHERE p.conversation_id = conversation
            AND p.user_id = s.who AND p.left_at IS NULL);
    IF told > 0 THEN
        PERFORM pg_notify('relay', conversation::text);
    END IF;
    RETURN told;
END $$;

-- Makes a conversation, where there is none of that id. Whether it did.
CREATE FUNCTION relay.put_conversation(conversation uuid, slug text DEFAULT NULL, name text DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF slug !~ '^[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,254}$' OR slug ~ '^[0-9A-Fa-f]{8}(-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}$' THEN
        RAISE EXCEPTION 'a slug has up to 255 letters, digits, - _ ~ and, not first, . and is no UUID' USING ERRCODE = 'RL400';
    END IF;
    IF NOT char_length(name) BETWEEN 1 AND 255 THEN
        RAISE EXCEPTION 'a name has 1 to 255 characters' USING ERRCODE = 'RL400';
    END IF;
    INSERT INTO relay.conversations (id, slug, name)
        VALUES (conversation, put_conversation.slug, put_conversation.name) ON CONFLICT (id) DO NOTHING;
    RETURN FOUND;
END $$;

-- What an application calls does it with the rights of whoever made these tables: other roles need none in them. Nobody
-- else may call it before somebody says so.
DO $$
DECLARE
    one regprocedure;
BEGIN
    FOR one IN SELECT p.oid FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'relay'::regnamespace AND p.proname IN
        ('put_conversation', 'put_user', 'put_participant', 'remove_participant', 'post_message', 'edit_message', 'delete_message',
            'add_reaction', 'remove_reaction', 'mark_read')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = pg_catalog, pg_temp', one);
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', one);
    END LOOP;
END $$;
