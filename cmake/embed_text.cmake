# Turns a text file into a C string, line by line.
# cmake -DINPUT=... -DOUTPUT=... -DNAME=hd_... -P embed_text.cmake
file(READ ${INPUT} text)
string(REPLACE "\\" "\\\\" text "${text}")
string(REPLACE "\"" "\\\"" text "${text}")
string(REPLACE "\n" "\\n\"\n  \"" text "${text}")
get_filename_component(file ${INPUT} NAME)
file(WRITE ${OUTPUT}.new "// Made from ${file} by cmake/embed_text.cmake.\nextern const char ${NAME}[];\nconst char ${NAME}[] =\n  \"${text}\";\n")
file(COPY_FILE ${OUTPUT}.new ${OUTPUT} ONLY_IF_DIFFERENT)
