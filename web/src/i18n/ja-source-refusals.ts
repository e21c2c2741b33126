/** What the server says about connections, sources, runs and deliveries. */
export const sourceRefusals: Record<string, string> = {
  'The server can be reached.': 'サーバーに到達できました。',
  'The connection is encrypted, and the certificate is valid.': '暗号化されており、証明書も有効です。',
  'The connection is encrypted, but nothing proves who answers. Set tls to verify_full.':
    '暗号化されていますが、接続先の証明書を検証していません。「必須（証明書を検証する）」に設定することをおすすめします。',
  'The connection is not encrypted: others on the way can read the password and the rows.':
    '暗号化されていません。パスワードとデータが、通信経路上で読み取られる可能性があります。',
  '{} is logged in.': '{0} としてログインしました。',
  'The role is a superuser and may do everything. Use one that may only read (SELECT).':
    'このユーザーはスーパーユーザーで、すべての操作が可能です。読み取り（SELECT）だけができるユーザーを使用してください。',
  'The role may change tables. Recotem only reads; use one that may only read (SELECT).':
    'このユーザーはテーブルを変更できます。読み取りだけを行うため、SELECT の権限だけを持つユーザーをおすすめします。',
  'The role may change tables, and create some in {schemas}, as deliveries of lists need. To read only, use one that may only read (SELECT).':
    'このユーザーはテーブルを変更でき、{0} にテーブルを作成できます（推薦リストの出力に必要な権限です）。取り込みだけに使用する場合は、SELECT の権限だけを持つユーザーをおすすめします。',
  'The role may read, and create tables in {schemas}, as deliveries of lists need.':
    '読み取りと、{0} へのテーブルの作成が可能です（推薦リストの出力に必要な権限です）。',
  'The account may change tables and create some, as deliveries of lists need. To read only, use one that may only read (SELECT).':
    'このユーザーはテーブルの変更と作成ができます（推薦リストの出力に必要な権限です）。取り込みだけに使用する場合は、SELECT の権限だけを持つユーザーをおすすめします。',
  'The role cannot read any table. Grant it the right to read (SELECT).':
    'このユーザーが読み取れるテーブルがありません。読み取り（SELECT）の権限を付与してください。',
  'The role may read and not write.': '読み取りだけが可能です。',
  'The folder is there, and it is released.': 'フォルダーがあり、読み取りが許可されています。',
  'Nothing leaves this machine.': 'このマシンの外へは何も送信されません。',
  'The connection is not encrypted: others on the way can read the files.':
    '暗号化されていません。ファイルが、通信経路上で読み取られる可能性があります。',
  'A folder needs no log-in.': 'フォルダーにログインは不要です。',
  'The key is accepted.': 'キーが受け入れられました。',
  'Without a key, what everyone may read is read.': 'キーがないため、公開されているものだけを読み取ります。',
  'The files can be listed. Recotem only reads them.':
    'ファイルの一覧を取得できます。読み取りだけを行います。',
  'The file can be read.': 'ファイルを読み取れます。',
  'The files can be listed. Whether the key may write would show only by writing: give it the rights to list and to read only.':
    'ファイルの一覧を取得できます。書き込めるかどうかは書き込まないと分からないため、一覧と読み取りの権限だけを付与してください。',
  'There is no file yet.': 'ファイルがまだありません。',
  'The server answers. Its files are named in the source, one a line.':
    'サーバーが応答しました。ファイル名は、ソースに 1 行に 1 つずつ入力します。',
  'The log-in failed: {0}. Check the key and its secret.':
    'ログインできませんでした（{0}）。キーとシークレットを確認してください。',
  'Permission denied: {0}. Grant the key the right to list and to read.':
    '権限がありません（{0}）。一覧と読み取りの権限を付与してください。',
  'There is no {0}. Check its name.': '{0} が見つかりません。名前を確認してください。',
  '{0} has changed while it was read. Try again.':
    '{0} は読み取り中に変更されました。もう一度お試しください。',
  'The reading of {0} was interrupted. Try again.':
    '{0} の読み取りが中断されました。もう一度お試しください。',
  'The server reports an error: {0}. Try again later.':
    '接続先でエラーが発生しました（{0}）。しばらく待ってから再試行してください。',
  'The server answered something that is not expected: {0}. Check the endpoint, the region and the kind.':
    '予期しない応答がありました（{0}）。エンドポイント、リージョン、種類を確認してください。',
  'The folder is not released. The operator adds it, or one above it, to sources.folders.':
    'このフォルダーの読み取りは許可されていません。運用者が sources.folders に追加する必要があります。',
  'No file matches {0}. Change the pattern, or wait until there is one.':
    '{0} に一致するファイルがありません。パターンを変更するか、ファイルが作成されるまでお待ちください。',
  'The file {key} cannot be read: {cause}': 'ファイル {0} を読み取れません: {1}',
  'Enter the name of a file, or a pattern such as events/*.csv.':
    'ファイル名、または events/*.csv のようなパターンを入力してください。',
  'Not tested, because of the step before.': '前の手順に失敗したため、実施していません。',

  'The settings are not valid: {0}': '設定が正しくありません: {0}',
  'The server could not be reached: {0}. Check host and port, and that it accepts connections from here.':
    'サーバーに接続できませんでした（{0}）。ホスト名とポートが正しいか、このサーバーからの接続が許可されているかを確認してください。',
  'The server did not answer within {0} seconds. Check that it is not overloaded, or try again later.':
    '{0} 秒以内に応答がありませんでした。接続先の負荷を確認するか、しばらく待ってから再試行してください。',
  'The server stopped working on the query after its time limit. Read less at once, or add an index on the cursor.':
    'クエリの実行時間が上限に達しました。一度に読み取る量を減らすか、新しい行を見つけるための列に索引を追加してください。',
  'The connection could not be encrypted: {0}': '暗号化できませんでした: {0}',
  "The server's certificate is not trusted: {0}. Enter the host as its certificate names it, or the certificate of its authority.":
    '接続先の証明書を信頼できません（{0}）。証明書に記載されたホスト名を入力するか、認証局の証明書を登録してください。',
  'The log-in failed: {0}. Check username, password and database.':
    'ログインできませんでした（{0}）。ユーザー名、パスワード、データベース名を確認してください。',
  'Permission denied: {0}. Grant the role the right to read (SELECT).':
    '権限がありません（{0}）。読み取り（SELECT）の権限を付与してください。',
  'The table does not exist: {0}. Choose another one.':
    'テーブルが見つかりません（{0}）。別のテーブルを選択してください。',
  'The column does not exist: {0}. Choose another one.':
    '列が見つかりません（{0}）。別の列を選択してください。',
  'The server refused the query: {0}. Correct it and try again.':
    'クエリを実行できませんでした（{0}）。修正して、もう一度お試しください。',
  'The query wants to change the server, which is only read: {0}. Use a query that only reads.':
    'データを変更するクエリは実行できません（{0}）。読み取りだけを行うクエリを使用してください。',
  'The server has no room for another connection: {0}. Try again later.':
    '接続先の接続数が上限に達しています（{0}）。しばらく待ってから再試行してください。',
  'The connection was interrupted: {0}. Try again.':
    '接続が途中で切れました（{0}）。もう一度お試しください。',
  'The reading was stopped.': '読み取りを中止しました。',
  'The server answered something that is not expected: {0}. Check that the kind of the connection is right.':
    '想定外の応答がありました（{0}）。接続の種類が正しいか確認してください。',
  'The server reports an error: {0}': '接続先でエラーが発生しました: {0}',
  'What was read could not be stored: {0}': '読み取ったデータを保存できませんでした: {0}',
  'Enter one statement that begins with SELECT or WITH.':
    'SELECT または WITH で始まる文を 1 つだけ入力してください。',
  'Enter at most {LONGEST} characters, without line breaks.':
    '改行を含めずに、{0} 文字以内で入力してください。',
  'Enter a name or an address only, such as db.example.com.':
    'db.example.com のように、ホスト名または IP アドレスだけを入力してください。',
  'Enter a port from 1 to 65535.': '1 から 65535 までのポート番号を入力してください。',
  'Enter certificates in PEM form, which begin with -----BEGIN CERTIFICATE-----.':
    '「-----BEGIN CERTIFICATE-----」で始まる PEM 形式の証明書を入力してください。',
  'This version cannot read from {other} yet; it can from {}.':
    'このバージョンは {0} に対応していません。対応しているのは {1} です。',

  'This organisation already has a connection with this name.':
    'この組織には同じ名前の接続がすでにあります。',
  'Enter the password again: it was entered for another server, or another way to it.':
    '接続先または暗号化の方法が変わるため、パスワードをもう一度入力してください。',
  'Sources use this connection. Delete them first, or choose another for them.':
    'この接続を使用しているデータソースがあります。先に削除するか、別の接続に変更してください。',
  'The password of the connection cannot be used: {0}': '接続のパスワードを使用できません: {0}',
  'A run of this source is under way. Wait until it has ended, or cancel it.':
    'このデータソースは実行中です。完了を待つか、実行を中止してください。',
  'This run has read rows before the ones that were accepted since. Discard it.':
    'その後の取り込みがすでに採用されているため、この取り込みは採用できません。破棄してください。',
  'The upload of this run has been deleted. Discard the run.':
    'この取り込みのデータは削除されています。取り込みを破棄してください。',
  'The upload of this run was deleted before it was checked.':
    'チェックの前に、この取り込みのデータが削除されました。',
  'What was read cannot be imported.': '読み取ったデータを取り込めませんでした。',
  'Only a window that has been read can be read again. Run the source first.':
    '指定した範囲はまだ取り込まれていません。先にデータソースを実行してください。',
  'The end of the window has to be after its beginning.': '終了には、開始より後の値を指定してください。',
  'Windows need a column that says when a row was written. Choose one, or the mode snapshot.':
    '新しい行を見つけるための列を選択するか、「毎回すべて読み取る」を選択してください。',
  'This schedule learns from one upload, which would be one window or a few files. Set its data_source to all.':
    'この再学習は 1 つのアップロードだけを使用する設定です。再学習の設定で「すべてのアップロード」を選択してください。',
  'Say which column of the source is the {role}.': '「{0}」の列を指定してください。',
  'Two columns would be called "{}". Give one of them another role.':
    '「{0}」という名前の列が 2 つになります。どちらかの意味を変更してください。',
  'The last days need a column of times.': '対象の日数を指定するには、日時の列が必要です。',

  '{} rows came; the source expects at least {least} (min_rows).':
    '取り込んだ行数（{0} 行）が、下限（{1} 行）を下回っています。',
  '{rows} rows came, {drop:.0} % fewer than the {usual} that are usual; {allowed} % are allowed (max_drop_percent).':
    '取り込んだ行数（{0} 行）が、通常（{2} 行）より {1}% 少なくなっています。上限は {3}% です。',
  '{percent:.1} % of the rows lack an id or a cursor; {allowed} % are allowed (max_null_percent).':
    '{0}% の行で、ID または日時が欠損しています。上限は {1}% です。',
  'The column {} is gone.': '列 {0} がなくなりました。',
  'The column {} was {} and is {}.': '列 {0} の型が {1} から {2} に変わりました。',
  'The column {} is new.': '列 {0} が追加されました。',
  '1 late row in the window {window} was recovered.': '遅れて届いた 1 行を取り込みました（{0}）。',
  '{more} late rows in the window {window} were recovered.': '遅れて届いた {0} 行を取り込みました（{1}）。',
  '1 row of the window {window} has gone from the source.': '1 行が取り込み元からなくなりました（{0}）。',
  '{} rows of the window {window} have gone from the source.':
    '{0} 行が取り込み元からなくなりました（{1}）。',

  'A delivery of this destination is under way. Wait until it has ended, or cancel it.':
    'この出力先は実行中です。完了を待つか、実行を中止してください。',
  'This delivery has ended already.': 'この実行はすでに終了しています。',
  'Only a delivery that failed or was cancelled can be tried again. Run the destination instead.':
    '再実行できるのは、失敗または中止した実行だけです。「今すぐ実行」を使用してください。',
  'This destination has been deleted. Reload and try again.':
    'この出力先は削除されています。画面を再読み込みしてください。',
  'The model of this destination, or its slot, has been deleted. Choose another one.':
    'この出力先のモデルまたはスロットが削除されています。別のものを選択してください。',
  'The model of this delivery has been deleted.': '使用するモデルが削除されています。',
  'Choose a model, or else a slot.': 'モデルまたはスロットのどちらかを選択してください。',
  'Permission denied: {0}. To deliver, {needed}.': '権限がありません（{0}）。{1}',
  'the role needs USAGE and CREATE on the schema, and has to own a table that is replaced':
    'スキーマに対する USAGE と CREATE の権限を付与し、置き換えるテーブルの所有者にしてください。',
  'the account needs SELECT, INSERT, CREATE, ALTER and DROP on the database':
    'データベースに対する SELECT、INSERT、CREATE、ALTER、DROP の権限を付与してください。',
  '{0}. Choose another name, or drop it.':
    '{0}別のテーブル名を入力するか、既存のテーブルを削除してください。',
  '{schema}.{table} exists and is not a table with the columns {expected}':
    '{0}.{1} はすでに存在し、推薦リストのテーブル（列: {2}）ではありません。',
  '{schema}.{table} has triggers or row security, which would be lost':
    '{0}.{1} のトリガーまたは行セキュリティが失われるため、置き換えられません。',
  '{schema}.{table} has triggers, which would be lost':
    '{0}.{1} のトリガーが失われるため、置き換えられません。',
  'The rows do not fit into the table: {0}. Drop the table, so that it is created again, or choose another one.':
    'テーブルに書き込めない値があります（{0}）。テーブルを削除して作り直すか、別のテーブルを指定してください。',
  'The table cannot be replaced: {0}. Drop what depends on it, or choose another one.':
    'テーブルを置き換えられません（{0}）。依存するビューなどを削除するか、別のテーブルを指定してください。',
  'another delivery is writing this table': '別の実行がこのテーブルに書き込み中です',
  'The lists could not be read: {error}.': '推薦リストを読み取れませんでした: {0}',
  'The connection of this delivery has been deleted.': '使用する接続が削除されています。',
  'The {what} of this delivery has been deleted.': '使用する接続またはプロジェクトが削除されています。',
  'The connection of this destination belongs to another organisation than its project. Choose another connection.':
    'この出力先の接続は、プロジェクトとは別の組織のものです。別の接続を選択してください。',
  'Destinations use this connection. Delete them first, or choose another for them.':
    'この接続は出力先で使用されています。先に出力先を削除するか、別の接続に変更してください。',
  'Choose a connection and a table, or neither.': '接続とテーブルの両方を指定してください。',
  'The name of the {what} is too long. It may have at most {longest} bytes.':
    'スキーマ名またはテーブル名が長すぎます。{1} バイト以内で指定してください。',
  'Names that end in {ending} are used while tables are replaced. Choose another name.':
    '{0} で終わる名前は、テーブルの置き換え中に使用されます。別の名前を指定してください。',
  'The table has {rows} rows, and the lists have {expected}. Please report this.':
    'テーブルは {0} 行ですが、推薦リストは {1} 行です。お手数ですがご報告ください。',
  '"{table}" is not a table. Enter schema and name, such as public.lists.':
    '「{0}」はテーブル名として使用できません。public.lists のように、スキーマ名とテーブル名を入力してください。',
  'The lists could not be stored: {error}.': '推薦リストを保存できませんでした: {0}',
  'The lists could not be computed: {error}.': '推薦リストを計算できませんでした: {0}',
}
