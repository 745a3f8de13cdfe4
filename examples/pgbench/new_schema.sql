-- The new home of pgbench's four tables: other names, other types, amounts in minor units, nothing that pads.
CREATE SCHEMA bank;

CREATE TYPE bank.currency AS ENUM ('EUR', 'USD');

CREATE TABLE bank.branch (
  id            bigint PRIMARY KEY,
  balance_minor bigint NOT NULL,
  currency      bank.currency NOT NULL
);

CREATE TABLE bank.teller (
  id            bigint PRIMARY KEY,
  branch_id     bigint,
  balance_minor bigint NOT NULL
);

CREATE TABLE bank.account (
  id            bigint PRIMARY KEY,
  branch_id     bigint,
  balance_minor bigint NOT NULL,
  opened_at     timestamptz DEFAULT now()
);
CREATE INDEX account_branch ON bank.account (branch_id);

-- pgbench_history has no key and so has this one: two equal rows are two postings.
CREATE TABLE bank.posting (
  branch_id    bigint,
  teller_id    bigint,
  account_id   bigint,
  amount_minor bigint,
  booked_at    timestamp,
  note         text
);
