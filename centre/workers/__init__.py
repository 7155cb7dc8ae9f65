"""The workers of a site as the centre knows them: what each says of itself in their common database."""
