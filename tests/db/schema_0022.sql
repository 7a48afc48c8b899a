-- The schema of revision 0022 (version 1.0.0), for the test of the upgrade. Made by `pg_dump --schema-only --no-owner
-- --no-privileges`, without its comments and settings. Two checks
-- with `IN` are written as in the migrations, because PostgreSQL parses the text of the dump to another expression.
CREATE EXTENSION IF NOT EXISTS intarray WITH SCHEMA public;
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
CREATE FUNCTION public.count_tags() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO tag_count_deltas (tag, delta)
        SELECT t.id, count(*) FROM after, unnest(after.tag_ids) AS t(id) WHERE visibility = 'public' GROUP BY t.id;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO tag_count_deltas (tag, delta)
        SELECT t.id, -count(*) FROM before, unnest(before.tag_ids) AS t(id) WHERE visibility = 'public' GROUP BY t.id;
    ELSE
        INSERT INTO tag_count_deltas (tag, delta)
        SELECT changes.tag, sum(changes.delta)
        FROM (
            SELECT unnest(tag_ids) AS tag, 1 AS delta FROM after WHERE visibility = 'public'
            UNION ALL
            SELECT unnest(tag_ids), -1 FROM before WHERE visibility = 'public'
        ) AS changes
        GROUP BY changes.tag HAVING sum(changes.delta) <> 0;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION public.disown_private_tags() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO private_tags (tag, owner)
    SELECT DISTINCT tag, CAST('00000000-0000-0000-0000-000000000000' AS uuid)
    FROM private_tags WHERE owner IN (SELECT id FROM before) ORDER BY 1
    ON CONFLICT DO NOTHING;
    DELETE FROM private_tags WHERE owner IN (SELECT id FROM before);
    RETURN NULL;
END $$;
CREATE FUNCTION public.fill_email_key() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NEW.email_key IS NULL THEN
        NEW.email_key := lower(NEW.email);
    ELSIF TG_OP = 'UPDATE' THEN
        IF NEW.email_key = OLD.email_key AND lower(NEW.email) <> lower(OLD.email) THEN
            NEW.email_key := lower(NEW.email);
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION public.move_storage_usage() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO storage_usage_deltas (user_id, images, bytes)
    SELECT * FROM (VALUES (OLD.uploaded_by, -1, -OLD.size), (NEW.uploaded_by, 1, NEW.size)) AS moved
    WHERE column1 IS NOT NULL;
    RETURN NULL;
END $$;
CREATE FUNCTION public.note_images() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO unmapped_images (image) SELECT id FROM after;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO unmapped_images (image) SELECT id FROM before;
    ELSE
        INSERT INTO unmapped_images (image)
        SELECT id FROM after JOIN before USING (id)
        WHERE (after.tag_ids, after.visibility) IS DISTINCT FROM (before.tag_ids, before.visibility);
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION public.note_private_tags() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO private_tags (tag, owner)
    SELECT DISTINCT t.id, coalesce(uploaded_by, '00000000-0000-0000-0000-000000000000')
    FROM after, unnest(after.tag_ids) AS t(id) WHERE visibility = 'private' ORDER BY 1, 2
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE FUNCTION public.note_storage_usage() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO storage_usage_deltas (user_id, images, bytes)
    SELECT uploaded_by, CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END,
        CASE TG_OP WHEN 'INSERT' THEN sum(size) ELSE -sum(size) END
    FROM changed WHERE uploaded_by IS NOT NULL GROUP BY uploaded_by;
    RETURN NULL;
END $$;
CREATE FUNCTION public.refresh_tag_ids(changed uuid[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM 1 FROM images WHERE id = ANY(changed) ORDER BY id FOR NO KEY UPDATE;
    UPDATE images SET tag_ids = current.ids
    FROM (
        SELECT touched.id, COALESCE(array_agg(t.tag ORDER BY t.tag) FILTER (WHERE t.tag IS NOT NULL), '{}') AS ids
        FROM unnest(changed) AS touched(id) LEFT JOIN tagged t ON t.image = touched.id
        GROUP BY touched.id
    ) AS current
    WHERE images.id = current.id AND images.tag_ids IS DISTINCT FROM current.ids;
END $$;
CREATE FUNCTION public.tagged_changed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM refresh_tag_ids(ARRAY(SELECT DISTINCT image FROM changed));
    RETURN NULL;
END $$;
CREATE FUNCTION public.tagged_updated() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM refresh_tag_ids(ARRAY(SELECT image FROM before UNION SELECT image FROM after));
    RETURN NULL;
END $$;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.api_keys (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    name character varying NOT NULL,
    key_digest bytea NOT NULL,
    scopes character varying[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    CONSTRAINT ck_api_keys_scopes CHECK (((cardinality(scopes) > 0) AND (scopes <@ '{read,write,admin}'::character varying[])))
);
CREATE TABLE public.cache_state (
    sole boolean DEFAULT true NOT NULL,
    name uuid DEFAULT gen_random_uuid() NOT NULL,
    epoch bigint DEFAULT 0 NOT NULL,
    server character varying,
    open_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_cache_state_sole CHECK (sole)
);
CREATE TABLE public.doomed_objects (
    storage_key character varying NOT NULL,
    doomed_at timestamp with time zone DEFAULT now() NOT NULL,
    uploaded_by uuid,
    reserved_bytes bigint
);
CREATE TABLE public.idempotency_keys (
    id bytea NOT NULL,
    fingerprint bytea,
    answer text,
    image uuid,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT ck_idempotency_keys_answered CHECK (((answer IS NULL) = (fingerprint IS NULL)))
);
CREATE TABLE public.image_chunks (
    chunk integer NOT NULL,
    oldest timestamp with time zone NOT NULL,
    newest timestamp with time zone NOT NULL
);
CREATE TABLE public.image_numbers (
    number integer NOT NULL,
    image uuid NOT NULL
);
CREATE TABLE public.images (
    id uuid NOT NULL,
    name character varying NOT NULL COLLATE pg_catalog."C",
    storage_key character varying NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    uploaded_by uuid,
    content_type character varying NOT NULL,
    size bigint NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    sha256 bytea NOT NULL,
    visibility character varying DEFAULT 'public'::character varying NOT NULL,
    tag_ids integer[] DEFAULT '{}'::integer[] NOT NULL,
    pixels bigint GENERATED ALWAYS AS (((width)::bigint * height)) STORED NOT NULL,
    tag_count integer GENERATED ALWAYS AS (cardinality(tag_ids)) STORED NOT NULL,
    CONSTRAINT ck_images_sha256 CHECK ((octet_length(sha256) = 32)),
    CONSTRAINT ck_images_visibility CHECK (visibility IN ('public', 'private'))
);
CREATE TABLE public.invitations (
    id uuid NOT NULL,
    code_digest bytea NOT NULL,
    email character varying,
    created_by uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL
);
CREATE TABLE public.mailed_links (
    token_digest bytea NOT NULL,
    user_id uuid NOT NULL,
    purpose character varying NOT NULL,
    email character varying NOT NULL,
    password_digest bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT ck_mailed_links_purpose CHECK (purpose IN ('password-reset', 'email-verification'))
);
CREATE TABLE public.private_tags (
    tag integer NOT NULL,
    owner uuid NOT NULL
);
CREATE TABLE public.sessions (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    refresh_digest bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    previous_digest bytea,
    rotated_at timestamp with time zone DEFAULT now() NOT NULL,
    address character varying,
    user_agent character varying,
    network character varying
);
CREATE TABLE public.social_identities (
    issuer character varying NOT NULL,
    subject character varying NOT NULL,
    provider character varying NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.social_sign_ins (
    state_digest bytea NOT NULL,
    browser_digest bytea NOT NULL,
    provider character varying NOT NULL,
    nonce character varying NOT NULL,
    code_verifier character varying NOT NULL,
    session_id uuid,
    expires_at timestamp with time zone NOT NULL
);
CREATE TABLE public.storage_usage (
    user_id uuid NOT NULL,
    images bigint NOT NULL,
    bytes bigint NOT NULL
);
CREATE TABLE public.storage_usage_deltas (
    id bigint NOT NULL,
    user_id uuid NOT NULL,
    images bigint NOT NULL,
    bytes bigint NOT NULL
);
ALTER TABLE public.storage_usage_deltas ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.storage_usage_deltas_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.tag_bitmaps (
    tag integer NOT NULL,
    chunk integer NOT NULL,
    bits bit(8192) NOT NULL
);
CREATE TABLE public.tag_count_deltas (
    id bigint NOT NULL,
    tag integer NOT NULL,
    delta integer NOT NULL
);
CREATE SEQUENCE public.tag_count_deltas_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tag_count_deltas_id_seq OWNED BY public.tag_count_deltas.id;
CREATE TABLE public.tag_implications (
    tag integer NOT NULL,
    implies integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_tag_implications_irreflexive CHECK ((tag <> implies))
);
CREATE TABLE public.tagged (
    tag integer NOT NULL,
    image uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    by_hand boolean DEFAULT true NOT NULL
);
CREATE TABLE public.tags (
    id integer NOT NULL,
    name character varying NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    images integer DEFAULT 0 NOT NULL,
    alias_of integer,
    is_listed boolean DEFAULT false NOT NULL
);
CREATE SEQUENCE public.tags_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.tags_id_seq OWNED BY public.tags.id;
CREATE TABLE public.unmapped_images (
    id bigint NOT NULL,
    image uuid NOT NULL
);
CREATE SEQUENCE public.unmapped_images_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.unmapped_images_id_seq OWNED BY public.unmapped_images.id;
CREATE TABLE public.users (
    id uuid NOT NULL,
    email character varying NOT NULL,
    password character varying,
    token character varying,
    expire_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    is_admin boolean DEFAULT false NOT NULL,
    email_verified boolean DEFAULT false NOT NULL,
    disabled boolean DEFAULT false NOT NULL,
    quota_bytes bigint,
    email_key character varying
);
ALTER TABLE ONLY public.tag_count_deltas ALTER COLUMN id SET DEFAULT nextval('public.tag_count_deltas_id_seq'::regclass);
ALTER TABLE ONLY public.tags ALTER COLUMN id SET DEFAULT nextval('public.tags_id_seq'::regclass);
ALTER TABLE ONLY public.unmapped_images ALTER COLUMN id SET DEFAULT nextval('public.unmapped_images_id_seq'::regclass);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT pk_api_keys PRIMARY KEY (id);
ALTER TABLE ONLY public.cache_state
    ADD CONSTRAINT pk_cache_state PRIMARY KEY (sole);
ALTER TABLE ONLY public.doomed_objects
    ADD CONSTRAINT pk_doomed_objects PRIMARY KEY (storage_key);
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT pk_idempotency_keys PRIMARY KEY (id);
ALTER TABLE ONLY public.image_chunks
    ADD CONSTRAINT pk_image_chunks PRIMARY KEY (chunk);
ALTER TABLE ONLY public.image_numbers
    ADD CONSTRAINT pk_image_numbers PRIMARY KEY (number);
ALTER TABLE ONLY public.images
    ADD CONSTRAINT pk_images PRIMARY KEY (id);
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT pk_invitations PRIMARY KEY (id);
ALTER TABLE ONLY public.mailed_links
    ADD CONSTRAINT pk_mailed_links PRIMARY KEY (token_digest);
ALTER TABLE ONLY public.private_tags
    ADD CONSTRAINT pk_private_tags PRIMARY KEY (tag, owner);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT pk_sessions PRIMARY KEY (id);
ALTER TABLE ONLY public.social_identities
    ADD CONSTRAINT pk_social_identities PRIMARY KEY (issuer, subject);
ALTER TABLE ONLY public.social_sign_ins
    ADD CONSTRAINT pk_social_sign_ins PRIMARY KEY (state_digest);
ALTER TABLE ONLY public.storage_usage
    ADD CONSTRAINT pk_storage_usage PRIMARY KEY (user_id);
ALTER TABLE ONLY public.storage_usage_deltas
    ADD CONSTRAINT pk_storage_usage_deltas PRIMARY KEY (id);
ALTER TABLE ONLY public.tag_bitmaps
    ADD CONSTRAINT pk_tag_bitmaps PRIMARY KEY (tag, chunk);
ALTER TABLE ONLY public.tag_count_deltas
    ADD CONSTRAINT pk_tag_count_deltas PRIMARY KEY (id);
ALTER TABLE ONLY public.tag_implications
    ADD CONSTRAINT pk_tag_implications PRIMARY KEY (tag, implies);
ALTER TABLE ONLY public.tagged
    ADD CONSTRAINT pk_tagged PRIMARY KEY (tag, image);
ALTER TABLE ONLY public.tags
    ADD CONSTRAINT pk_tags PRIMARY KEY (id);
ALTER TABLE ONLY public.unmapped_images
    ADD CONSTRAINT pk_unmapped_images PRIMARY KEY (id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT pk_users PRIMARY KEY (id);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT uq_api_keys_key_digest UNIQUE (key_digest);
ALTER TABLE ONLY public.image_numbers
    ADD CONSTRAINT uq_image_numbers_image UNIQUE (image);
ALTER TABLE ONLY public.images
    ADD CONSTRAINT uq_images_name UNIQUE (name);
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT uq_invitations_code_digest UNIQUE (code_digest);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT uq_sessions_refresh_digest UNIQUE (refresh_digest);
ALTER TABLE ONLY public.tagged
    ADD CONSTRAINT uq_tagged_image_tag UNIQUE (image, tag);
ALTER TABLE ONLY public.tags
    ADD CONSTRAINT uq_tags_name UNIQUE (name);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT uq_users_email UNIQUE (email);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT uq_users_token UNIQUE (token);
CREATE INDEX ix_api_keys_user_id ON public.api_keys USING btree (user_id);
CREATE INDEX ix_doomed_objects_doomed_at ON public.doomed_objects USING btree (doomed_at);
CREATE INDEX ix_doomed_objects_uploaded_by ON public.doomed_objects USING btree (uploaded_by) WHERE (uploaded_by IS NOT NULL);
CREATE INDEX ix_idempotency_keys_expires_at ON public.idempotency_keys USING btree (expires_at);
CREATE INDEX ix_idempotency_keys_image ON public.idempotency_keys USING btree (image);
CREATE INDEX ix_images_content_type ON public.images USING btree (content_type);
CREATE INDEX ix_images_created_at_id ON public.images USING btree (created_at, id);
CREATE INDEX ix_images_name_trgm ON public.images USING gin (name public.gin_trgm_ops) WITH (fastupdate=off);
CREATE INDEX ix_images_pixels_id ON public.images USING btree (pixels, id);
CREATE INDEX ix_images_sha256_id ON public.images USING btree (sha256, id);
CREATE INDEX ix_images_size_id ON public.images USING btree (size, id);
CREATE UNIQUE INDEX ix_images_storage_key ON public.images USING btree (storage_key);
CREATE INDEX ix_images_tag_count_id ON public.images USING btree (tag_count, id);
CREATE INDEX ix_images_tag_ids ON public.images USING gin (tag_ids public.gin__int_ops) WITH (fastupdate=off);
CREATE INDEX ix_images_uploaded_by_created_at_id ON public.images USING btree (uploaded_by, created_at, id);
CREATE INDEX ix_images_week_name ON public.images USING btree (date_bin('7 days'::interval, (created_at AT TIME ZONE 'UTC'::text), '2001-01-01 00:00:00'::timestamp without time zone), name) INCLUDE (created_at, id);
CREATE INDEX ix_images_week_reversed_name ON public.images USING btree (date_bin('7 days'::interval, (created_at AT TIME ZONE 'UTC'::text), '2001-01-01 00:00:00'::timestamp without time zone), reverse((name)::text)) INCLUDE (name, created_at, id);
CREATE INDEX ix_images_width_id ON public.images USING btree (width, id);
CREATE INDEX ix_invitations_created_by ON public.invitations USING btree (created_by);
CREATE INDEX ix_invitations_expires_at ON public.invitations USING btree (expires_at);
CREATE INDEX ix_mailed_links_expires_at ON public.mailed_links USING btree (expires_at);
CREATE INDEX ix_mailed_links_user_id ON public.mailed_links USING btree (user_id);
CREATE INDEX ix_private_tags_owner ON public.private_tags USING btree (owner);
CREATE INDEX ix_sessions_expires_at ON public.sessions USING btree (expires_at);
CREATE INDEX ix_sessions_user_id ON public.sessions USING btree (user_id);
CREATE INDEX ix_social_identities_user_id ON public.social_identities USING btree (user_id);
CREATE INDEX ix_social_sign_ins_expires_at ON public.social_sign_ins USING btree (expires_at);
CREATE INDEX ix_social_sign_ins_session_id ON public.social_sign_ins USING btree (session_id);
CREATE INDEX ix_storage_usage_deltas_user_id ON public.storage_usage_deltas USING btree (user_id);
CREATE INDEX ix_tag_bitmaps_chunk_tag ON public.tag_bitmaps USING btree (chunk, tag);
CREATE INDEX ix_tag_count_deltas_tag ON public.tag_count_deltas USING btree (tag);
CREATE INDEX ix_tag_implications_implies ON public.tag_implications USING btree (implies);
CREATE INDEX ix_tags_alias_of ON public.tags USING btree (alias_of) WHERE (alias_of IS NOT NULL);
CREATE INDEX ix_tags_images_name ON public.tags USING btree (images DESC, name) WHERE (alias_of IS NULL);
CREATE INDEX ix_tags_name_trgm ON public.tags USING gin (name public.gin_trgm_ops) WITH (fastupdate=off);
CREATE INDEX ix_users_created_at_id ON public.users USING btree (created_at, id);
CREATE UNIQUE INDEX ix_users_email_key ON public.users USING btree (email_key);
CREATE TRIGGER images_deleted AFTER DELETE ON public.images REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION public.count_tags();
CREATE TRIGGER images_deleted_unmapped AFTER DELETE ON public.images REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION public.note_images();
CREATE TRIGGER images_deleted_usage AFTER DELETE ON public.images REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.note_storage_usage();
CREATE TRIGGER images_inserted AFTER INSERT ON public.images REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION public.count_tags();
CREATE TRIGGER images_inserted_private AFTER INSERT ON public.images REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION public.note_private_tags();
CREATE TRIGGER images_inserted_unmapped AFTER INSERT ON public.images REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION public.note_images();
CREATE TRIGGER images_inserted_usage AFTER INSERT ON public.images REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.note_storage_usage();
CREATE TRIGGER images_moved_usage AFTER UPDATE OF uploaded_by, size ON public.images FOR EACH ROW WHEN (((old.uploaded_by IS DISTINCT FROM new.uploaded_by) OR (old.size <> new.size))) EXECUTE FUNCTION public.move_storage_usage();
CREATE TRIGGER images_updated AFTER UPDATE ON public.images REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION public.count_tags();
CREATE TRIGGER images_updated_private AFTER UPDATE ON public.images REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION public.note_private_tags();
CREATE TRIGGER images_updated_unmapped AFTER UPDATE ON public.images REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION public.note_images();
CREATE TRIGGER tagged_deleted AFTER DELETE ON public.tagged REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.tagged_changed();
CREATE TRIGGER tagged_inserted AFTER INSERT ON public.tagged REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.tagged_changed();
CREATE TRIGGER tagged_updated AFTER UPDATE ON public.tagged REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION public.tagged_updated();
CREATE TRIGGER users_deleted_private AFTER DELETE ON public.users REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION public.disown_private_tags();
CREATE TRIGGER users_email_key BEFORE INSERT OR UPDATE OF email ON public.users FOR EACH ROW EXECUTE FUNCTION public.fill_email_key();
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT fk_api_keys_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT fk_idempotency_keys_image_images FOREIGN KEY (image) REFERENCES public.images(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.images
    ADD CONSTRAINT fk_images_uploaded_by_users FOREIGN KEY (uploaded_by) REFERENCES public.users(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT fk_invitations_created_by_users FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.mailed_links
    ADD CONSTRAINT fk_mailed_links_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT fk_sessions_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.social_identities
    ADD CONSTRAINT fk_social_identities_user_id_users FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.social_sign_ins
    ADD CONSTRAINT fk_social_sign_ins_session_id_sessions FOREIGN KEY (session_id) REFERENCES public.sessions(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.tag_implications
    ADD CONSTRAINT fk_tag_implications_implies_tags FOREIGN KEY (implies) REFERENCES public.tags(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.tag_implications
    ADD CONSTRAINT fk_tag_implications_tag_tags FOREIGN KEY (tag) REFERENCES public.tags(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.tagged
    ADD CONSTRAINT fk_tagged_image_images FOREIGN KEY (image) REFERENCES public.images(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.tagged
    ADD CONSTRAINT fk_tagged_tag_tags FOREIGN KEY (tag) REFERENCES public.tags(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.tags
    ADD CONSTRAINT fk_tags_alias_of_tags FOREIGN KEY (alias_of) REFERENCES public.tags(id) ON DELETE CASCADE;
INSERT INTO public.alembic_version VALUES ('0022');
