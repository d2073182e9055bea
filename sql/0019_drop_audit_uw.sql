-- Typed ticks are in schema feed (sql/0017_feed_tables.sql), which the projector builds from the log.
DROP TABLE audit.uw_flow_alerts, audit.uw_option_trades, audit.uw_gex_snapshot, audit.uw_gex_strike,
    audit.uw_news, audit.uw_price_ticks, audit.uw_rest_payloads, audit.uw_unread;
DROP SCHEMA IF EXISTS audit_building CASCADE;
DROP FUNCTION prune_audit_ticks(timestamptz, integer);
