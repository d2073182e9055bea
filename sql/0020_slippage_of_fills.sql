-- What each fill cost against the market, for people and reports: prices are of the structure, a
-- share. Positive is a cost, to buyer and seller alike. Null for the legs of a combination, whose
-- own execution has it, and where no mid was known. A correction is a row of its own: sums leave
-- out what another row corrects.
ALTER TABLE audit.fills
    ADD reference_price numeric,
    ADD slippage numeric,
    ADD slippage_usd numeric,
    ADD slippage_at_fill numeric;
COMMENT ON COLUMN audit.fills.reference_price IS 'mid of the structure when the order was decided';
COMMENT ON COLUMN audit.fills.slippage IS 'of a unit, a share, against reference_price';
COMMENT ON COLUMN audit.fills.slippage_usd IS 'of all units of this fill, in dollars';
COMMENT ON COLUMN audit.fills.slippage_at_fill IS 'of a unit, a share, against the mid at the fill';
