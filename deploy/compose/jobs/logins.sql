-- The migrations made the roles that hold the rights; these users may log in and have one role each.
SET log_min_error_statement = panic;  -- a statement that fails would be logged with its password
\set ingress_password `cat /run/secrets/ingress/password`
\set notifier_password `cat /run/secrets/notifier/password`
SELECT format('CREATE ROLE %I', name) FROM unnest(ARRAY['ingress', 'notifier']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
ALTER ROLE ingress LOGIN PASSWORD :'ingress_password';
ALTER ROLE notifier LOGIN PASSWORD :'notifier_password';
GRANT maskwatch_ingress TO ingress;
GRANT maskwatch_notifier TO notifier;
