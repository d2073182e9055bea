"""Everything with a main(): it reads settings, wires parts and owns tasks. No rule lives here."""
