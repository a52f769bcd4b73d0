"""Programs made from programs: derivatives. IR to IR, closed under each other."""
