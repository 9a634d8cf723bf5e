import asyncio
import sys

from screenshots.make import main

asyncio.run(main(sys.argv[1:]))
