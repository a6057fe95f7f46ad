-- Who takes part, as what, and what is forgotten together with a room.

ALTER TABLE relay.outbox DROP CONSTRAINT outbox_kind_check, ADD CONSTRAINT outbox_kind_check CHECK
    (kind IN ('message', 'edit', 'redaction', 'reaction', 'unreaction', 'join', 'leave', 'role', 'receipt'));

-- As before; and only users of the application are spoken for.
CREATE OR REPLACE FUNCTION relay.note(
    conversation uuid, operation uuid, type text, document jsonb,
    tell text DEFAULT NULL, who uuid DEFAULT NULL, message uuid DEFAULT NULL, content jsonb DEFAULT '{}',
    aloud boolean DEFAULT true
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF tell NOT IN ('join', 'leave', 'role') AND EXISTS (SELECT FROM relay.users u WHERE u.id = who AND NOT u.is_ghost) THEN
        RAISE EXCEPTION '% is of Matrix: what they say and do is theirs alone', who USING ERRCODE = 'RL403';
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
    PERFORM pg_notify('relay', p.conversation_id::text)
        FROM relay.participants p WHERE p.user_id = NEW.id AND p.left_at IS NULL;
    RETURN NULL;
END $$;

CREATE TRIGGER user_changed AFTER UPDATE OF display_name, avatar_url ON relay.users FOR EACH ROW
    WHEN ((OLD.display_name, OLD.avatar_url) IS DISTINCT FROM (NEW.display_name, NEW.avatar_url))
    EXECUTE FUNCTION relay.user_changed();

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
    IF NOT FOUND THEN
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
    -- Matrix says who is there; what they are is for the application to say.
    IF as_role <> was AND NOT from_matrix THEN
        UPDATE relay.participants p SET role = as_role
            WHERE p.conversation_id = conversation AND p.user_id = who;
        PERFORM relay.note(conversation, gen_random_uuid(), 'participant.changed',
            relay.participant_document(known, as_role), 'role', who,
            content => jsonb_build_object('role', as_role));
    END IF;
    RETURN false;
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

-- What an application calls does it with the rights of whoever made these tables: other roles need none in them. Nobody
-- else may call it before somebody says so.
DO $$
DECLARE
    one regprocedure;
BEGIN
    FOR one IN SELECT p.oid FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'relay'::regnamespace AND p.proname IN
        ('put_user', 'put_participant', 'remove_participant', 'post_message', 'edit_message', 'delete_message',
            'add_reaction', 'remove_reaction', 'mark_read')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = pg_catalog, pg_temp', one);
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', one);
    END LOOP;
END $$;
