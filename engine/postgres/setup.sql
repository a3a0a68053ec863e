-- Curfew, deployment {deployment}: what lets its login make and remove temporary
-- accounts without CREATEROLE, which on PostgreSQL 15 and older is as good as the
-- server's own operating system account. Run it as a superuser, in every database
-- that holds a resource; run it again after an upgrade of Curfew. It changes
-- nothing that people have today.
--
-- Nothing can be granted before the allow-list says so. Its owner is who runs this:
--   INSERT INTO {schema}.allowed VALUES ('public', '*', '{SELECT,INSERT,UPDATE,DELETE,USAGE}');
-- "*" stands for every object of the schema; EXECUTE is for routines, USAGE for
-- schemas and sequences, CREATE for schemas. Undo it all: DROP SCHEMA {schema} CASCADE.
BEGIN;
SET LOCAL search_path = pg_catalog, pg_temp;
CREATE SCHEMA IF NOT EXISTS {schema};
REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;
CREATE TABLE IF NOT EXISTS {schema}.allowed (
  schema_name text NOT NULL,
  object_name text NOT NULL,
  privileges text[] NOT NULL CHECK (privileges <@ '{SELECT,INSERT,UPDATE,DELETE,USAGE,CREATE,EXECUTE}'::text[])
);

-- must stops unless the name is one of this deployment's, of one of the kinds
-- (l: lease, g: group, k: kept), and the role, if it is there, is an ordinary one.
CREATE OR REPLACE FUNCTION {schema}.must(name text, kinds text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  IF name IS NULL OR NOT starts_with(name, {prefix}) OR substr(name, length({prefix}) + 1) !~ ('^[' || kinds || ']_[a-z0-9_]{1,50}$')
    OR EXISTS (SELECT FROM pg_roles WHERE rolname = name AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)) THEN
    RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('%s is no account of this deployment', quote_ident(left(coalesce(name, ''), 80)));
  END IF;
END $f$;

-- right_text is one privilege as GRANT has it, if the allow-list holds it.
CREATE OR REPLACE FUNCTION {schema}.right_text(r jsonb) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  priv text := r->>'privilege'; kind text := r->>'kind'; in_schema text := r->>'schema'; obj text := r->>'name'; proc regprocedure; cols text;
BEGIN
  IF kind = 'DATABASE' AND priv = 'CONNECT' THEN
    RETURN format('CONNECT ON DATABASE %I', current_database());
  END IF;
  IF priv IS NULL OR NOT (kind, priv) IN (('TABLE','SELECT'),('TABLE','INSERT'),('TABLE','UPDATE'),('TABLE','DELETE'),('SCHEMA','USAGE'),('SCHEMA','CREATE'),('SEQUENCE','USAGE'),('ROUTINE','EXECUTE'))
    OR in_schema ~ '^pg_' OR in_schema IN ('information_schema', {schema_text})
    OR NOT EXISTS (SELECT FROM {schema}.allowed a WHERE a.schema_name = in_schema AND priv = ANY (a.privileges) AND (kind = 'SCHEMA' OR a.object_name IN ('*', obj))) THEN
    RAISE EXCEPTION USING ERRCODE = 'CF001', MESSAGE = format('%s on %s is not on the allow-list %s', priv, concat_ws('.', quote_ident(in_schema), quote_ident(obj)), {schema_text} || '.allowed'),
      HINT = 'its owner can add it';
  END IF;
  CASE kind
  WHEN 'SCHEMA' THEN RETURN format('%s ON SCHEMA %I', priv, in_schema);
  WHEN 'SEQUENCE' THEN RETURN format('USAGE ON SEQUENCE %I.%I', in_schema, obj);
  WHEN 'ROUTINE' THEN
    proc := to_regprocedure(format('%I.%I(%s)', in_schema, obj, r->>'args'));
    IF proc IS NULL THEN
      RAISE EXCEPTION USING ERRCODE = '42883', MESSAGE = format('there is no routine %I.%I(%s)', in_schema, obj, r->>'args');
    END IF;
    RETURN format('EXECUTE ON ROUTINE %s', proc);
  ELSE
    SELECT string_agg(quote_ident(c), ', ') INTO cols FROM jsonb_array_elements_text(CASE jsonb_typeof(r->'columns') WHEN 'array' THEN r->'columns' ELSE '[]' END) c;
    RETURN format('%s %s ON TABLE %I.%I', priv, '(' || cols || ')', in_schema, obj);
  END CASE;
END $f$;

CREATE OR REPLACE FUNCTION {schema}.grant_group(grp text, rights jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  r jsonb;
BEGIN
  PERFORM {schema}.must(grp, 'g');
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = grp) THEN
    EXECUTE format('CREATE ROLE %I NOLOGIN', grp);
  END IF;
  FOR r IN SELECT jsonb_array_elements(rights) LOOP
    EXECUTE format('GRANT %s TO %I', {schema}.right_text(r), grp);
  END LOOP;
END $f$;

CREATE OR REPLACE FUNCTION {schema}.make_account(account text, grp text, connections int, until timestamptz) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  PERFORM {schema}.must(account, 'l'), {schema}.must(grp, 'g');
  EXECUTE format('%s ROLE %I NOLOGIN INHERIT CONNECTION LIMIT %s PASSWORD NULL VALID UNTIL %L',
    CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = account) THEN 'ALTER' ELSE 'CREATE' END, account, greatest(connections, 0), until);
  EXECUTE format('GRANT %I TO %I', grp, account) || CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT TRUE, SET FALSE' ELSE '' END;
END $f$;

CREATE OR REPLACE FUNCTION {schema}.limit_account(account text, until timestamptz) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  PERFORM {schema}.must(account, 'l');
  EXECUTE format('ALTER ROLE %I VALID UNTIL %L', account, until);
END $f$;

-- open_account lets an account log in: with a verifier, never with a password.
CREATE OR REPLACE FUNCTION {schema}.open_account(account text, verifier text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  PERFORM {schema}.must(account, 'l');
  IF verifier IS NULL OR verifier !~ '^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'this is no verifier';
  END IF;
  EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L', account, verifier);
END $f$;

CREATE OR REPLACE FUNCTION {schema}.shut_account(account text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  PERFORM {schema}.must(account, 'l');
  EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', account);
END $f$;

-- strip_account: no log-in, and no membership once its connections are gone.
CREATE OR REPLACE FUNCTION {schema}.strip_account(account text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  PERFORM {schema}.must(account, 'l');
  IF EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles u ON u.oid = m.member WHERE g.rolname = account AND u.rolname = session_user) THEN
    EXECUTE format('REVOKE %I FROM %I', account, session_user); -- borrowed by a try that was cut off
  END IF;
  EXECUTE format('ALTER ROLE %I NOLOGIN CONNECTION LIMIT 0 PASSWORD NULL VALID UNTIL ''-infinity''', account);
END $f$;

CREATE OR REPLACE FUNCTION {schema}.leave_groups(account text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  grp text;
BEGIN
  PERFORM {schema}.must(account, 'l');
  FOR grp IN SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles a ON a.oid = m.member WHERE a.rolname = account LOOP
    EXECUTE format('REVOKE %I FROM %I', grp, account);
  END LOOP;
END $f$;

-- connections are those of this deployment's accounts, and those whose account is gone.
CREATE OR REPLACE FUNCTION {schema}.connections() RETURNS TABLE (pid int, account_oid text, account text) LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT a.pid, a.usesysid::text, coalesce(a.usename::text, '') FROM pg_stat_activity a
  WHERE a.backend_type = 'client backend' AND a.usesysid IS NOT NULL AND (a.usename IS NULL OR starts_with(a.usename::text, {prefix} || 'l_'))
$f$;

CREATE OR REPLACE FUNCTION {schema}.end_work(pids int[], accounts text[]) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  n int;
BEGIN
  SELECT count(*) INTO n FROM (SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
    JOIN unnest(pids, accounts) AS w(pid, account) ON a.pid = w.pid AND a.usename = w.account WHERE starts_with(w.account, {prefix} || 'l_')) t;
  RETURN n;
END $f$;

CREATE OR REPLACE FUNCTION {schema}.end_account(account_oid oid) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  n int; name text := (SELECT rolname FROM pg_roles WHERE oid = account_oid);
BEGIN
  IF name IS NOT NULL THEN
    PERFORM {schema}.must(name, 'l');
  END IF;
  SELECT count(*) INTO n FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = account_oid) t;
  RETURN n;
END $f$;

-- borrow makes the caller a member of an account that can do nothing any more, to
-- roll back what it left prepared: no function can.
CREATE OR REPLACE FUNCTION {schema}.borrow(account text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  PERFORM {schema}.must(account, 'l');
  IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = account AND (r.rolcanlogin OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)))
    OR NOT EXISTS (SELECT FROM pg_prepared_xacts WHERE owner = account) THEN
    RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('%I is not powerless, or has left nothing prepared', account);
  END IF;
  EXECUTE format('GRANT %I TO %I', account, session_user);
END $f$;

CREATE OR REPLACE FUNCTION {schema}.give_back(account text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  PERFORM {schema}.must(account, 'l');
  EXECUTE format('REVOKE %I FROM %I', account, session_user);
END $f$;

-- keep moves what a lease, or its group, owns in this database to a role of that
-- lease alone which nobody is a member of, closes it, and says what it was.
CREATE OR REPLACE FUNCTION {schema}.keep(owner text, account text, privileges boolean) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  keeper text := {prefix} || 'k_' || substr(account, length({prefix}) + 3); owned text[]; grants text[]; one text;
BEGIN
  PERFORM {schema}.must(owner, 'lg'), {schema}.must(account, 'l'), {schema}.must(keeper, 'k');
  SELECT array_agg(pg_describe_object(classid, objid, 0)) INTO owned FROM pg_shdepend
    WHERE refclassid = 'pg_authid'::regclass AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = owner) AND deptype = 'o'
    AND classid NOT IN ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass) AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database());
  IF owned IS NOT NULL THEN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = keeper) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN', keeper);
    END IF;
    EXECUTE format('REASSIGN OWNED BY %I TO %I', owner, keeper);
    WITH k AS (SELECT oid FROM pg_roles WHERE rolname = keeper), g AS ({kept_grants})
    SELECT array_agg(format('REVOKE ALL ON %s FROM %s CASCADE', what, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)) INTO grants FROM g WHERE grantee <> (SELECT oid FROM k);
    FOREACH one IN ARRAY coalesce(grants, '{}') LOOP
      EXECUTE one;
    END LOOP;
    RETURN QUERY SELECT o || ' in ' || current_database() || ' → ' || keeper FROM unnest(owned) o;
  END IF;
  IF privileges THEN
    EXECUTE format('DROP OWNED BY %I', owner);
  END IF;
END $f$;

-- clear_group takes back what was done in a group's name: default privileges in
-- this database, and settings.
CREATE OR REPLACE FUNCTION {schema}.clear_group(grp text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  one text;
BEGIN
  PERFORM {schema}.must(grp, 'g');
  FOR one IN SELECT s.sql FROM ({defaults}) AS s (sql) ORDER BY s.sql LIKE '% GRANT %', s.sql LOOP
    EXECUTE one;
  END LOOP;
  FOR one IN SELECT format('ALTER ROLE %I %s RESET ALL', grp, 'IN DATABASE ' || quote_ident(d.datname)) FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase
    WHERE s.setrole = (SELECT oid FROM pg_roles WHERE rolname = grp) LOOP
    EXECUTE one;
  END LOOP;
END $f$;

-- idle stops unless a role has neither members nor connections.
CREATE OR REPLACE FUNCTION {schema}.idle(name text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  IF EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE g.rolname = name) THEN
    RAISE EXCEPTION USING ERRCODE = '2BP01', MESSAGE = format('%I has members', name);
  END IF;
  IF EXISTS (SELECT FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid WHERE r.rolname = name) THEN
    RAISE EXCEPTION USING ERRCODE = '55006', MESSAGE = format('%I has connections', name);
  END IF;
END $f$;

-- disown takes what a lease or a group has in this database, and what it may do there.
CREATE OR REPLACE FUNCTION {schema}.disown(name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  PERFORM {schema}.must(name, 'lg'), {schema}.idle(name);
  EXECUTE format('DROP OWNED BY %I', name);
END $f$;

-- drop_role drops a lease or a group that nothing depends on in another database.
CREATE OR REPLACE FUNCTION {schema}.drop_role(name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  PERFORM {schema}.must(name, 'lg'), {schema}.idle(name);
  EXECUTE format('DROP ROLE %I', name);
END $f$;

-- What stood here before is not trusted: whoever may create schemas could have made
-- this one first, and would own what runs with a superuser's rights.
DO $f$
DECLARE
  mine text := {schema_text}; others text;
BEGIN
  SELECT string_agg(what, ', ') INTO others FROM (
    SELECT 'the schema ' || nspname AS what, nspowner AS owner FROM pg_namespace WHERE nspname = mine
    UNION ALL SELECT 'the table ' || relname, relowner FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = mine)
    UNION ALL SELECT 'the function ' || proname, proowner FROM pg_proc WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = mine)
    UNION ALL SELECT 'the type ' || typname, typowner FROM pg_type WHERE typnamespace = (SELECT oid FROM pg_namespace WHERE nspname = mine)
    UNION ALL SELECT 'the table allowed, which is no table', 0 FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = mine) AND relname = 'allowed'
      AND (relkind <> 'r' OR relhassubclass OR relhasrules OR relhastriggers)) o
  WHERE NOT coalesce((SELECT rolsuper FROM pg_roles r WHERE r.oid = o.owner), false);
  IF others IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('not a superuser''s: %s', others),
      HINT = 'run this as a superuser; if somebody made them before, find out who, and: DROP SCHEMA ' || quote_ident(mine) || ' CASCADE';
  END IF;
END $f$;

-- Helpers are nobody's; the rest is for the gateway's login alone.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC, {login};
REVOKE ALL ON TABLE {schema}.allowed FROM PUBLIC, {login};
GRANT USAGE ON SCHEMA {schema} TO {login};
GRANT SELECT ON TABLE {schema}.allowed TO {login};
GRANT EXECUTE ON FUNCTION {schema}.grant_group(text, jsonb), {schema}.make_account(text, text, int, timestamptz), {schema}.limit_account(text, timestamptz),
  {schema}.open_account(text, text), {schema}.shut_account(text), {schema}.strip_account(text), {schema}.leave_groups(text), {schema}.connections(),
  {schema}.end_work(int[], text[]), {schema}.end_account(oid), {schema}.borrow(text), {schema}.give_back(text), {schema}.keep(text, text, boolean),
  {schema}.clear_group(text), {schema}.disown(text), {schema}.drop_role(text) TO {login};
COMMIT;
