"""Who is to be told, and when: rotas and quiet hours, chains and their audit, links that acknowledge, silence."""
