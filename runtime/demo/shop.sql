-- The shop's own database. None of its tables but `effects` stops a repetition: if an effect ever happened twice,
-- the audit would see two rows.

-- The idempotency keys: what was done under which key, and what it gave. Committed together with the effect.
CREATE TABLE effects (
    key      text    NOT NULL PRIMARY KEY,
    name     text    NOT NULL,
    order_id integer NOT NULL,
    result   bytea
);

CREATE TABLE inventory (
    product_id   integer NOT NULL PRIMARY KEY,
    name         text    NOT NULL,
    discontinued boolean NOT NULL,
    stocked      integer NOT NULL,             -- units the shop ever had
    reserved     integer NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    shipped      integer NOT NULL DEFAULT 0 CHECK (shipped >= 0),
    CHECK (reserved + shipped <= stocked)
);

CREATE TABLE reservations (
    order_id   integer NOT NULL,
    product_id integer NOT NULL REFERENCES inventory,
    units      integer NOT NULL
);
CREATE INDEX reservations_order ON reservations (order_id);

CREATE TABLE invoices (
    number   integer GENERATED ALWAYS AS IDENTITY (START WITH 1001),
    order_id integer NOT NULL,
    goods    numeric(12, 2) NOT NULL,
    tax      numeric(12, 2) NOT NULL
);

CREATE TABLE notifications (
    order_id integer NOT NULL,
    kind     text    NOT NULL,                 -- refused, confirmed, fulfilled
    address  text    NOT NULL,
    message  text    NOT NULL
);
CREATE INDEX notifications_kind ON notifications (kind, order_id);

-- What left the warehouse. `told` counts how often the workflow was sent its command.
CREATE TABLE shipments (
    order_id integer NOT NULL PRIMARY KEY,
    tracking text    NOT NULL,
    told     integer NOT NULL DEFAULT 0
);
