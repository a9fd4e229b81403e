"""The page: its files, its words, and texts of models made safe to show. Imports nothing of ours."""
