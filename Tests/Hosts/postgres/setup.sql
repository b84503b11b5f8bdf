-- The extension's functions, from the file :ext, and the checks of answers.
SET client_min_messages = warning;
CREATE OR REPLACE FUNCTION guest_load(name text, path text, json text, global bool)
  RETURNS void AS :'ext' LANGUAGE C STRICT;
CREATE OR REPLACE FUNCTION guest_call(name text, tool text, args text)
  RETURNS text AS :'ext' LANGUAGE C STRICT;
CREATE OR REPLACE FUNCTION guest_reload(name text, same text, other text)
  RETURNS text AS :'ext' LANGUAGE C STRICT;
CREATE OR REPLACE FUNCTION guest_forks(name text, tool text, args text, part text, times int)
  RETURNS int AS :'ext' LANGUAGE C STRICT;
CREATE OR REPLACE FUNCTION guest_state() RETURNS text AS :'ext' LANGUAGE C;
CREATE OR REPLACE FUNCTION guest_descriptors() RETURNS text AS :'ext' LANGUAGE C;
CREATE OR REPLACE FUNCTION guest_threads() RETURNS text AS :'ext' LANGUAGE C;
CREATE OR REPLACE FUNCTION guest_file(symbol text) RETURNS text AS :'ext' LANGUAGE C STRICT;
CREATE OR REPLACE FUNCTION engine_call(n bigint, pause_ms int)
  RETURNS bigint AS :'ext' LANGUAGE C STRICT;
CREATE OR REPLACE FUNCTION engine_latch(n bigint, pause_ms int)
  RETURNS bigint AS :'ext' LANGUAGE C STRICT;
CREATE OR REPLACE FUNCTION engine_many(name text, tool text, args text[])
  RETURNS text[] AS :'ext' LANGUAGE C STRICT;
CREATE OR REPLACE FUNCTION engine_detach(name text, tool text, args text, times int)
  RETURNS void AS :'ext' LANGUAGE C STRICT;
CREATE OR REPLACE FUNCTION engine_in_flight() RETURNS bigint AS :'ext' LANGUAGE C;

CREATE OR REPLACE FUNCTION use_plugins(global bool DEFAULT false) RETURNS void AS $$
  SELECT guest_load('pricing', current_setting('guest.pricing'),
    '{"database_url":"sqlite::memory:","max_connections":4,"timeout_seconds":20}', global),
    guest_load('clock', current_setting('guest.clock'), '{}', global);
$$ LANGUAGE sql;

CREATE TABLE IF NOT EXISTS products (id int PRIMARY KEY, body text);
INSERT INTO products VALUES
  (1, '{"description":"15 bar pump, one group","id":1,"name":"Espresso Machine","price":449.95}'),
  (2, '{"description":"Conical burrs, 40 g hopper","id":2,"name":"Coffee Grinder","price":129.1}'),
  (3, '{"description":"0.9 l, variable temperature","id":3,"name":"Gooseneck Kettle","price":79.99}'),
  (4, '{"description":"0.1 g steps up to 2 kg","id":4,"name":"Digital Scale","price":24.5}'),
  (5, '{"description":"Each; sold by the hundred","id":5,"name":"Paper Filters","price":0.07}'),
  (6, '{"description":"600 ml, stainless steel","id":6,"name":"Milk Pitcher","price":18}'),
  (7, '{"description":"1 kg, medium roast","id":7,"name":"100% Arabica Beans","price":13.37}'),
  (8, '{"description":"58 mm, flat base","id":8,"name":"Tamper_58","price":32.25}'),
  (9, '{"description":"A price with 28 digits","id":9,"name":"Plantation Futures","price":1234567890123456.789012345678}')
  ON CONFLICT DO NOTHING;

-- A call and its check: an error when the answer is another than the one that
-- its arguments demand. RETURNS 1, to be counted.
CREATE OR REPLACE FUNCTION check_nth(n int) RETURNS int AS $$
DECLARE
  want text := (SELECT body FROM products WHERE id = 1 + n % 9);
  got text;
BEGIN
  IF n % 5 = 0 THEN
    got := guest_call('clock', 'wait_both',
      format('{"first_ms":%s,"second_ms":%s}', n % 3, n % 4));
    IF (got::json->>'first_ms')::int <> n % 3 OR (got::json->>'second_ms')::int <> n % 4
        OR (got::json->>'elapsed_ms')::int < greatest(n % 3, n % 4) THEN
      RAISE EXCEPTION 'wrong wait: %', got;
    END IF;
  ELSIF n % 10 = 1 THEN
    want := format('{"count":1,"products":[%s],"truncated":false}', want);
    got := guest_call('pricing', 'search_products',
      format('{"query":"%s"}', (SELECT body::json->>'name' FROM products WHERE id = 1 + n % 9)));
    IF got <> want THEN RAISE EXCEPTION 'wrong search: % is not %', got, want; END IF;
  ELSIF n % 20 IN (3, 7) THEN
    want := CASE WHEN n % 20 = 3 THEN format('Product %s not found', 100 + n)
      ELSE 'Unknown tool: nonsense' END;
    BEGIN
      IF n % 20 = 3 THEN
        got := guest_call('pricing', 'get_product_price', format('{"product_id":%s}', 100 + n));
      ELSE
        got := guest_call('clock', 'nonsense', '{}');
      END IF;
    EXCEPTION WHEN external_routine_exception THEN
      IF SQLERRM <> format('tool answers 1: {"error":"%s"}', want) THEN
        RAISE EXCEPTION 'wrong error: %', SQLERRM;
      END IF;
      RETURN 1;
    END;
    RAISE EXCEPTION 'wrong: no error, but %', got;
  ELSE
    got := guest_call('pricing', 'get_product_price', format('{"product_id":%s}', 1 + n % 9));
    IF got <> want THEN RAISE EXCEPTION 'wrong price: % is not %', got, want; END IF;
  END IF;
  RETURN 1;
END $$ LANGUAGE plpgsql;

-- So many calls at once from this one backend, on the engine's pool.
CREATE OR REPLACE FUNCTION check_many(calls int) RETURNS int AS $$
DECLARE
  wrong int;
BEGIN
  SELECT count(*) INTO wrong FROM unnest(engine_many('pricing', 'get_product_price',
      ARRAY(SELECT format('{"product_id":%s}', 1 + n % 9) FROM generate_series(1, calls) n)))
    WITH ORDINALITY AS answer(got, n) JOIN products ON id = 1 + n % 9 WHERE got <> body;
  IF wrong > 0 THEN RAISE EXCEPTION '% of % wrong', wrong, calls; END IF;
  RETURN calls;
END $$ LANGUAGE plpgsql;
