"""One seeded market behind the Unusual Whales and TWS sandboxes, so that they tell one story."""
