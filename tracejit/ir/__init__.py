"""What a program is: types, values, ops with regions, blocks, functions; its text; its verifier."""
