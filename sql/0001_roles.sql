-- Who may do what. Services log in as the owner of the database or as a login of their own and
-- take one of these roles at once (store/postgres.py): neither can change or remove an event.
-- Roles belong to the whole server, so another database may have made them already.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['striketape_writer', 'striketape_reader', 'striketape_projector']
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
    END LOOP;
END
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO striketape_writer, striketape_reader, striketape_projector;
